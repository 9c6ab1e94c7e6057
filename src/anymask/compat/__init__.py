"""Programs written for `segment_anything` or `mobile_sam` run on anymask unchanged.

`install` puts the two names where Python looks for modules, and ``python -m anymask.compat
SCRIPT.py ARGS`` runs a script with them. `anymask.compat.segment_anything` has Meta's layout of
modules, names and signatures over the engine of anymask.

Prompts and images that Meta's code takes and anymask refuses, such as a point outside the image,
are taken here, with one warning.
"""

from __future__ import annotations

from anymask.compat.installing import install
from anymask.compat.lenient import CompatWarning

__all__ = ["CompatWarning", "install"]
