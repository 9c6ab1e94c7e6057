"""One prompt for each of several images: check the prompts, and batch the images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from anymask.errors import PromptError
from anymask.model.embedding import ImageEmbedding
from anymask.predict.checked_prompts import CheckedPrompts, check_prompts

if TYPE_CHECKING:
    from anymask.model.arrays import Arrays


def check_each(
    point_coords: Sequence[ArrayLike] | None,
    point_labels: Sequence[ArrayLike] | None,
    box: Sequence[ArrayLike] | None,
    mask_input: Sequence[ArrayLike] | None,
    *,
    image_sizes: Sequence[tuple[int, int]],
    mask_size: int,
) -> list[CheckedPrompts]:
    """Check the prompts of several images, one for each.

    Parameters
    ----------
    point_coords, point_labels, box, mask_input
        One item for each image, each as `check_prompts` takes it for a single prompt; or None.
    image_sizes
        Height and width of each image.
    mask_size
        The required h and w of each ``mask_input``.

    Raises
    ------
    PromptError
        With the image and the invalid value.

    Examples
    --------
    >>> sizes = [(10, 20), (30, 30)]
    >>> boxes = [[1, 2, 5, 6], [7, 8, 20, 20]]
    >>> [p.boxes for p in check_each(None, None, boxes, None, image_sizes=sizes, mask_size=64)]
    [array([[1., 2., 5., 6.]]), array([[ 7.,  8., 20., 20.]])]
    """
    given: dict[str, Sequence[Any] | None] = {
        "point_coords": point_coords,
        "point_labels": point_labels,
        "box": box,
        "mask_input": mask_input,
    }
    for name, items in given.items():
        if items is not None and len(items) != len(image_sizes):
            raise PromptError(
                f"{name} has {len(items)} items, but {len(image_sizes)} images are set; give one "
                "for each image, in order."
            )
    checked = []
    for number, size in enumerate(image_sizes):
        own = [None if items is None else items[number] for items in given.values()]
        try:
            prompts = check_prompts(*own, image_size=size, mask_size=mask_size)
        except PromptError as error:
            raise PromptError(f"Of {len(image_sizes)} images, number {number}: {error}") from error
        if prompts.batched:
            raise PromptError(
                f"Of {len(image_sizes)} images, number {number} got several prompts; give one, or "
                "select the image and call predict."
            )
        checked.append(prompts)
    return checked


def joined(images: Sequence[ImageEmbedding], arrays: Arrays) -> ImageEmbedding:
    """Several images as one batch."""
    return ImageEmbedding(
        arrays.joined([image.embedding for image in images]),
        tuple(
            arrays.joined(skips) for skips in zip(*(image.skips for image in images), strict=True)
        ),
    )
