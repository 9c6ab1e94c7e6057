"""The pages of the panel, one a module."""
