"""Helpers that programs for `segment_anything` use."""
