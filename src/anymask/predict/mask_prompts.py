"""Convert a mask in image pixels to the logits that the network takes as a mask prompt."""

from __future__ import annotations

import math

import numpy as np

# A drawn mask is certain; this is the logit of 99.9 %, about what the network itself predicts
# inside an object. Larger values would be outside its training range.
_CERTAIN = math.log(0.999 / 0.001)


def mask_logits(mask: np.ndarray, side: int, stretches: bool = False) -> np.ndarray:
    """Convert a mask to the low-resolution logits that the network takes.

    Parameters
    ----------
    mask : ndarray, bool, (H, W)
    side : int
        Height and width of the network's low-resolution masks.
    stretches : bool
        Whether the network's images are stretched to a square (`SamConfig.stretches`).

    Returns
    -------
    ndarray, float32, (1, side, side)
        The image fills it, or its longer side does; the rest outside the image is background.

    Examples
    --------
    >>> logits = mask_logits(np.array([[True, False], [True, False]]), 4)
    >>> (logits[0] > 0).astype(int)
    array([[1, 1, 0, 0],
           [1, 1, 0, 0],
           [1, 1, 0, 0],
           [1, 1, 0, 0]])
    """
    from PIL import Image

    from anymask.images.resize import resize_for

    resize = resize_for(side, stretches)
    height, width = resize.get_preprocess_shape(mask.shape[0], mask.shape[1], side)
    small = Image.fromarray(mask.astype(np.float32)).resize((width, height), Image.Resampling.BOX)
    share = np.asarray(small, np.float64)
    logits = np.full((1, side, side), -_CERTAIN, np.float32)
    with np.errstate(divide="ignore"):
        inside = np.log(share) - np.log1p(-share)
    logits[0, :height, :width] = np.clip(inside, -_CERTAIN, _CERTAIN)
    return logits
