"""The pages of the panel, one per module."""
