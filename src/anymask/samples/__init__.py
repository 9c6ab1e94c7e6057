"""Sample data, computed on first use; nothing is downloaded."""

from anymask.samples.registry import SAMPLES, Sample, list_samples, sample

__all__ = ["SAMPLES", "Sample", "list_samples", "sample"]
