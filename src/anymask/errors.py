"""Every error anymask raises on purpose.

Each carries one sentence: what is wrong, where, and what to do about it. The command line
prints that sentence and exits with status 2.
"""

from __future__ import annotations


class AnymaskError(Exception):
    """Base of all errors a user of anymask can cause and mend."""


class CheckpointError(AnymaskError):
    """A model file is missing, unsafe, damaged, or not what was asked for."""


class ImageError(AnymaskError):
    """An image has a shape, dtype or content that cannot be segmented as it is."""


class PromptError(AnymaskError):
    """A point, box or mask prompt is malformed or lies where it cannot mean anything."""


class OutputError(AnymaskError):
    """A result could not be written."""
