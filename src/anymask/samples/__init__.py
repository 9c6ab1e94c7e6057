"""Sample data, made on this machine the first time they are asked for; nothing is downloaded."""

from anymask.samples.registry import SAMPLES, Sample, list_samples, sample

__all__ = ["SAMPLES", "Sample", "list_samples", "sample"]
