"""Detectors that find what words name, of published models."""
