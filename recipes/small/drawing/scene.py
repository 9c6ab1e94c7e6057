"""A drawn scene, and the interface of a source of real images for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass
class Scene:
    """An image and its exact regions.

    Attributes
    ----------
    image
        ``uint8`` array S×S×3, RGB.
    labels
        ``uint16`` array S×S of the finest visible regions: 0 is background, regions are 1..n.
    parents
        ``uint16`` array of length n + 1: ``parents[i]`` is the group (whole object) that region i
        belongs to, 0 for none. Groups have their own numbers 1..g; the mask of a group is the union
        of its regions, and every group has at least two.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.array([[1, 2], [2, 3]], np.uint16)
    >>> scene = Scene(np.zeros((2, 2, 3), np.uint8), labels, np.array([0, 1, 1, 0], np.uint16))
    >>> scene.group_mask(1).astype(int)
    array([[1, 1],
           [1, 0]])
    """

    image: NDArray[np.uint8]
    labels: NDArray[np.uint16]
    parents: NDArray[np.uint16]

    @property
    def num_regions(self) -> int:
        """Number of regions n."""
        return len(self.parents) - 1

    @property
    def num_groups(self) -> int:
        """Number of groups g."""
        return int(self.parents.max(initial=0))

    def group_mask(self, group: int) -> NDArray[np.bool_]:
        """Boolean S×S mask of a whole object: the union of its visible regions."""
        members = self.parents == group
        members[0] = False
        return members[self.labels]


class PhotoSource(Protocol):
    """Real labelled images: textures, backgrounds, and objects to cut out."""

    def photo(self, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
        """Draw one image.

        Parameters
        ----------
        rng
            The only source of randomness: the same state gives the same image.

        Returns
        -------
        image : numpy.ndarray
            ``uint8`` array h×w×3, RGB.
        labels : numpy.ndarray
            ``uint16`` array h×w, 0 where unlabelled, 1..n for the regions.
        """
        ...
