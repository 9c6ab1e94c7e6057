"""Channels by their names, and short names of channels for the columns of a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError

_COLOURS = ("red", "green", "blue", "alpha")


def is_coloured(axes: str) -> bool:
    """Whether the channels of an image with these axes are colour samples.

    >>> is_coloured("YXS"), is_coloured("CYX")
    (True, False)
    """
    return "S" in axes and "C" not in axes


def short_names(
    count: int,
    names: Sequence[str] | None,
    wavelengths: NDArray[np.float64] | None,
    *,
    coloured: bool,
) -> list[str]:
    """Return a name for each channel that no other channel has; "" for an only channel.

    Parameters
    ----------
    count
        Number of channels.
    names, wavelengths
        As in :class:`anymask.Image`.
    coloured
        Whether the channels are colour samples.

    Examples
    --------
    >>> short_names(2, None, np.array([650.0, 800.5]), coloured=False)
    ['650nm', '800.5nm']
    """
    if count == 1:
        return [""]
    if names is not None and len(set(names)) == count:
        return list(names)
    if wavelengths is not None and len(set(wavelengths)) == count:
        return [f"{nm:g}nm" for nm in wavelengths]
    if coloured and count in (3, 4):
        return list(_COLOURS[:count])
    return [str(number) for number in range(count)]


def channel_index(what: str, index: int | str, names: Sequence[str] | None, count: int) -> int:
    """Return the position of a channel from 0.

    Parameters
    ----------
    what
        The image, for messages.
    index
        A position, negative from the end, or a name.
    names, count
        The names of the channels, and how many there are.

    Raises
    ------
    ImageError
        If there is no such channel.
    """
    if isinstance(index, str):
        if index not in (names or ()):
            known = (
                f"its channels are {', '.join(names)}" if names else "its channels have no names"
            )
            raise ImageError(f"{what} has no channel {index!r}; {known}.")
        return list(names or ()).index(index)
    if not -count <= index < count:
        raise ImageError(
            f"{what} has {count} channels, counted from 0; there is no channel {index}."
        )
    return index % count
