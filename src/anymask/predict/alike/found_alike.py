"""The objects like some examples that were found in an image, with a threshold to choose."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from anymask.errors import AnymaskError
from anymask.masks.mask_set import MaskSet


@dataclass(frozen=True, eq=False)
class FoundAlike:
    """All candidates of an image, without duplicates, each with its likeness to the examples.

    A threshold only chooses among them, so changing it runs nothing again.

    Attributes
    ----------
    candidates : MaskSet
        The most alike first, with `MaskSet.likeness`. Examples of this image are among them, with a
        likeness of 1, and negatives are not.
    threshold : float
        The likeness from which on a candidate is taken if nothing else is said. It is the one with
        the highest expected F1, if likenesses are probabilities.

    Examples
    --------
    >>> stack = np.zeros((2, 4, 6), bool)
    >>> stack[0, :2, :2], stack[1, 2:, 3:] = True, True
    >>> found = FoundAlike(MaskSet.from_masks(stack, likeness=[0.9, 0.3]), 0.5)
    >>> len(found.masks()), len(found.masks(0.2)), found.least_certain().tolist()
    (1, 2, [1, 0])
    """

    candidates: MaskSet
    threshold: float

    @classmethod
    def of(cls, candidates: MaskSet, threshold: float | None = None) -> FoundAlike:
        """Return the result of ranked candidates, by default with the best threshold."""
        known = np.zeros(0) if candidates.likeness is None else candidates.likeness
        best = best_threshold(known[known < 1]) if threshold is None else threshold
        return cls(replace(candidates, likeness=known), best)

    @property
    def likeness(self) -> NDArray[np.float64]:
        """The likeness of each candidate, (N,), from 0 to 1."""
        assert self.candidates.likeness is not None
        return self.candidates.likeness

    def masks(self, threshold: float | None = None) -> MaskSet:
        """Return the candidates whose likeness is at least a threshold, the most alike first.

        Parameters
        ----------
        threshold : float, optional
            From 0 to 1; `threshold` of this result by default.

        Raises
        ------
        AnymaskError
            If the threshold is not from 0 to 1.
        """
        least = self.threshold if threshold is None else threshold
        if not 0 <= least <= 1:
            raise AnymaskError(f"threshold is {least}; give a likeness from 0 to 1, such as 0.5.")
        return self.candidates.select(np.flatnonzero(self.likeness >= least))

    def least_certain(self, count: int | None = None) -> NDArray[np.int64]:
        """Return the candidates that a person should look at first.

        Parameters
        ----------
        count : int, optional
            At most this many; all by default.

        Returns
        -------
        (K,) int64 array
            Indices into `candidates`: those whose likeness is nearest to the threshold first.
            Examples, which are certain, are left out.
        """
        unsure = np.flatnonzero(self.likeness < 1)
        return unsure[np.argsort(self.uncertainty(unsure), kind="stable")][:count]

    def uncertainty(self, indices: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return how far candidates are from the threshold, in logits; 0 is the least certain."""
        return np.abs(_logit(self.likeness[indices]) - _logit(np.array(self.threshold)))


def best_threshold(likeness: NDArray[np.float64]) -> float:
    """Return the threshold with the highest expected F1, if likenesses are probabilities.

    Taking the k most alike, 2·Σp of those over k + Σp of all is expected.

    Examples
    --------
    >>> best_threshold(np.array([0.9, 0.8, 0.4, 0.1, 0.1]))
    0.4
    """
    ranked = np.sort(likeness)[::-1]
    if not len(ranked):
        return 0.5
    expected = 2 * np.cumsum(ranked) / (np.arange(1, len(ranked) + 1) + ranked.sum())
    return float(ranked[int(expected.argmax())])


def _logit(values: NDArray[np.float64]) -> NDArray[np.float64]:
    inside = np.clip(values, 1e-6, 1 - 1e-6)
    logits: NDArray[np.float64] = np.log(inside) - np.log1p(-inside)
    return logits
