"""Masks and label images that hypothesis draws."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from anymask.masks.mask_set import MaskSet

shapes = st.tuples(st.integers(1, 18), st.integers(1, 18))


@st.composite
def label_images(draw: st.DrawFn) -> NDArray[np.integer]:
    """Noise or blobs, with ids far apart, of any integer dtype that holds them."""
    shape = draw(shapes)
    ids = draw(st.lists(st.integers(1, 250), min_size=1, max_size=4, unique=True))
    # From a seed, since drawing pixel by pixel takes most of a test's time.
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    background = draw(st.sampled_from([0.1, 0.4, 0.8]))
    noise = np.where(rng.random(shape) < background, 0, rng.integers(0, len(ids) + 1, shape))
    if draw(st.booleans()):
        noise = ndimage.median_filter(noise, 3)
    dtype = draw(st.sampled_from([np.uint8, np.uint16, np.int32, np.int64]))
    return np.array([0, *ids])[noise].astype(dtype)


@st.composite
def mask_sets(draw: st.DrawFn, max_masks: int = 5) -> MaskSet:
    """Masks that may overlap, be equal or be empty; some with scores."""
    shape = draw(shapes)
    number = draw(st.integers(0, max_masks))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    stack = rng.random((number, *shape)) < draw(st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]))
    if draw(st.booleans()):
        stack = ndimage.binary_dilation(stack, np.ones((1, 3, 3), bool))
    scores = draw(
        st.lists(
            st.one_of(st.just(float("nan")), st.sampled_from([0.25, 0.5, 0.75])),
            min_size=number,
            max_size=number,
        )
    )
    return MaskSet.from_masks(stack, predicted_iou=scores)


def same(one: MaskSet, other: MaskSet) -> bool:
    """Whether two sets have the same masks in the same order with the same ids."""
    return (
        one.image_size == other.image_size
        and np.array_equal(one.ids, other.ids)
        and all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    )
