"""Colour composites: each channel in a colour, added up, as for fluorescence."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError

Color = str | Sequence[float]
"""A name, ``"#rrggbb"``, ``"#rgb"``, or red, green and blue from 0 to 1."""

NAMES = {
    "red": (1.0, 0.0, 0.0),
    "green": (0.0, 1.0, 0.0),
    "blue": (0.0, 0.0, 1.0),
    "cyan": (0.0, 1.0, 1.0),
    "magenta": (1.0, 0.0, 1.0),
    "yellow": (1.0, 1.0, 0.0),
    "orange": (1.0, 0.5, 0.0),
    "gray": (1.0, 1.0, 1.0),
    "grey": (1.0, 1.0, 1.0),
    "white": (1.0, 1.0, 1.0),
}

# By number of channels: a pair that colour-blind people can tell apart, then the primaries.
_BY_NUMBER = {
    1: ("gray",),
    2: ("green", "magenta"),
    3: ("red", "green", "blue"),
}
_FURTHER = ("red", "green", "blue", "gray", "cyan", "magenta", "yellow", "orange")
MOST_CHANNELS = len(_FURTHER)
"""At most this many channels get colours by default; more could not be told apart."""

# Dyes and wavelengths as microscopes name them, and the colour they are usually shown in.
_DYES = (
    ("blue", r"dapi|hoechst|bfp|405|pacific ?blue"),
    ("cyan", r"cfp|cerulean|433|445"),
    ("green", r"e?gfp|fitc|488|alexa ?488|bodipy|calcein"),
    ("yellow", r"yfp|venus|citrine|514"),
    ("orange", r"cy3|tritc|555|561|rhodamine"),
    ("red", r"rfp|m?cherry|tdtomato|texas ?red|568|594|chlorophyll|autofluorescence|propidium|pi"),
    ("magenta", r"cy5|alexa ?647|633|640|647|far ?red|draq5"),
    ("gray", r"bf|bright ?field|dic|phase|ph|tl|transmitted|pmt"),
)


def color_of(color: Color) -> tuple[float, float, float]:
    """Return red, green and blue from 0 to 1.

    Raises
    ------
    ImageError
        If it is not a colour.

    Examples
    --------
    >>> color_of("magenta"), color_of("#f80")
    ((1.0, 0.0, 1.0), (1.0, 0.5333333333333333, 0.0))
    """
    if isinstance(color, str):
        text = color.strip().lower()
        if text in NAMES:
            return NAMES[text]
        match = re.fullmatch(r"#?([0-9a-f]{6}|[0-9a-f]{3})", text, re.ASCII)
        if match:
            digits = match[1] if len(match[1]) == 6 else "".join(d + d for d in match[1])
            red, green, blue = (int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))
            return red, green, blue
        close = difflib.get_close_matches(text[:40], NAMES, n=1)
        advice = f"did you mean {close[0]}?" if close else f"give #rrggbb or {', '.join(NAMES)}."
        raise ImageError(f"There is no colour {color[:40]!r}; {advice}")
    values = tuple(float(value) for value in color)
    if len(values) != 3 or not all(0 <= value <= 1 for value in values):
        raise ImageError(f"The colour {color} must be red, green and blue from 0 to 1.")
    return values[0], values[1], values[2]


def default_colors(number: int, names: Sequence[str] | None = None) -> list[str]:
    """Choose a colour for each of `number` channels, by the dye in its name if known.

    Examples
    --------
    >>> default_colors(2), default_colors(3, ["DAPI", "Alexa 488", "actin"])
    (['green', 'magenta'], ['blue', 'green', 'red'])
    """
    plain = list(_BY_NUMBER.get(number, _FURTHER[:number]))
    found = [_dye_color(name) for name in names or ()]
    if not any(found) or len(set(filter(None, found))) < len(list(filter(None, found))):
        return plain
    rest = [color for color in (*plain, *_FURTHER) if color not in found]
    rest = list(dict.fromkeys(rest))
    return [color or rest.pop(0) for color in found]


def composite(
    channels: Iterable[NDArray[np.float32]], colors: Sequence[Color]
) -> NDArray[np.float32]:
    """Add up channels, each in its colour.

    Parameters
    ----------
    channels
        Arrays ``float32`` (H, W) from 0 to 1, used one at a time.
    colors
        One for each channel.

    Returns
    -------
    numpy.ndarray
        ``float32`` (H, W, 3) from 0 to 1; larger sums are clipped.
    """
    rgb: NDArray[np.float32] | None = None
    for channel, color in zip(channels, colors, strict=True):
        if rgb is None:
            rgb = np.zeros((*channel.shape, 3), np.float32)
        for sample, share in enumerate(color_of(color)):
            if share:
                rgb[..., sample] += channel * np.float32(share)
    if rgb is None:
        raise ImageError("There is no channel to show in colour; choose at least one.")
    return np.minimum(rgb, 1, out=rgb)


def _dye_color(name: str) -> str | None:
    for color, pattern in _DYES:
        if re.search(rf"(?<![a-z0-9])({pattern})(?![a-z0-9])", name.lower()):
            return color
    return None
