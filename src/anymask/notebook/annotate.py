"""`anymask.annotate`: an image in a notebook."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anymask.checkpoints.loading import load
from anymask.errors import AnymaskError
from anymask.images.image import Image
from anymask.images.normalize import check_rgb, rgb_of
from anymask.io.read_images import read_rgb
from anymask.masks.mask_set import MaskSet

if TYPE_CHECKING:
    from anymask.model.sam import Sam
    from anymask.notebook.widget import Annotation


def annotate(
    image: NDArray[np.uint8] | Image | str | os.PathLike[str],
    model: str | os.PathLike[str] | Sam | None = None,
    *,
    masks: MaskSet | None = None,
    classes: Sequence[str] = (),
    height: int = 640,
) -> Annotation:
    """Show an image in a notebook, to click on objects and correct masks.

    The page is that of `anymask serve`; the kernel answers its prompts, so that a model on a GPU
    of the kernel's machine is used. Needs ``pip install "anymask[notebook]"``.

    Parameters
    ----------
    image : (H, W, 3) uint8 array, Image or path
        RGB, or anything that :func:`anymask.read_rgb` reads.
    model : str, path, Sam, optional
        As for :func:`anymask.load`; the shipped model by default.
    masks : MaskSet, optional
        Masks to begin with.
    classes : sequence of str
        Classes that objects can get, with the keys 1 to 9.
    height : int
        Height of the cell's output in pixels of the screen.

    Returns
    -------
    Annotation
        A widget; its ``masks``, ``labels`` and ``prompts`` can be read, observed and assigned.

    Raises
    ------
    AnymaskError
        If anywidget is not installed.
    ImageError
        If the image cannot be read or shown.
    CheckpointError
        If the model cannot be loaded.
    """
    try:
        from anymask.notebook.widget import Annotation
    except ImportError as error:
        raise AnymaskError(
            "Annotating in a notebook needs anywidget; install it with pip install "
            '"anymask[notebook]".'
        ) from error
    if isinstance(image, str | os.PathLike):
        pixels, name = read_rgb(image), Path(image).name
    else:
        pixels, name = np.asarray(rgb_of(image)), "image"
    check_rgb(pixels)
    is_name = model is None or isinstance(model, str | os.PathLike)
    sam: Sam = load(model) if is_name else model  # type: ignore[assignment, arg-type]
    made = Annotation(sam, pixels, name, classes, height)
    if masks is not None:
        made.masks = masks
    return made
