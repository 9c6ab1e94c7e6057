"""From a geometry to a network of its generation."""

from __future__ import annotations

from anymask.model.config import Sam2Config, SamConfig
from anymask.model.sam import Sam
from anymask.model.sam2.sam2 import Sam2


def build_model(config: SamConfig) -> Sam:
    """Return an untrained network: a `Sam2` for a `Sam2Config`, else a `Sam`.

    Examples
    --------
    >>> from anymask.model.config import VARIANTS
    >>> type(build_model(VARIANTS["sam2.1_hiera_tiny"])).__name__
    'Sam2'
    """
    return Sam2(config) if isinstance(config, Sam2Config) else Sam(config)
