"""What the names of bands say about their light: colours, wavelengths, and the bands of satellites.

Names are understood as a whole. "Red" is a band of red light; "Texas Red" is a dye, and "band 3" is
only a number.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# The parts of the spectrum that broad bands cover, in nanometres, and a usual centre.
_REGIONS = {
    "coastal": (430, 450, 443),
    "blue": (450, 510, 475),
    "green": (510, 590, 560),
    "red": (590, 690, 660),
    "red edge": (690, 750, 717),
    "nir": (750, 950, 840),
    "swir1": (1500, 1750, 1610),
    "swir2": (2050, 2400, 2200),
}
_SPELLINGS = {
    "coastal aerosol": "coastal",
    "b": "blue",
    "g": "green",
    "r": "red",
    "rededge": "red edge",
    "re": "red edge",
    "near infrared": "nir",
    "near ir": "nir",
    "n": "nir",
    "swir": "swir1",
    "short wave infrared": "swir1",
    "shortwave infrared": "swir1",
    "swir 1": "swir1",
    "swir 2": "swir2",
}
# Letters alone mean colours only beside each other.
_LETTERS = ("b", "g", "r", "n", "re")
_FILLING = {"band", "channel", "reflectance", "surface", "sr", "ms"}

# Centres of the bands of Sentinel-2's MSI and of Landsat 8's and 9's OLI.
_SENTINEL_2 = {
    "1": 443,
    "2": 492,
    "3": 560,
    "4": 665,
    "5": 704,
    "6": 740,
    "7": 783,
    "8": 833,
    "8A": 865,
    "9": 945,
    "10": 1374,
    "11": 1614,
    "12": 2202,
}
_LANDSAT = {"1": 443, "2": 482, "3": 561, "4": 655, "5": 865, "6": 1609, "7": 2201, "9": 1373}
_NUMBERED = re.compile(r"(?:.*[^A-Za-z0-9])?B(0?)(\d{1,2}A?)")
_OF_LANDSAT = re.compile(r"(?:SR|ST|TOA)_B\d")
_NANOMETRES = re.compile(r"(?<![\d.,])(\d{3,4}(?:\.\d+)?)\s*nm\b", re.IGNORECASE)
_MICROMETRES = re.compile(r"(?<![\d.,])([0-2][.,]\d+)\s*(?:um|µm|μm|microns?)\b", re.IGNORECASE)


def band_centres(names: Sequence[str] | None) -> NDArray[np.float64] | None:
    """The centre of each band in nanometres, NaN where its name does not say; None if none does.

    Examples
    --------
    >>> band_centres(["Blue", "Green", "Red", "NIR"])
    array([475., 560., 660., 840.])
    >>> band_centres(["B04", "B08", "SCL"])
    array([665., 833.,  nan])
    >>> band_centres(["band 1", "band 2"])
    """
    if not names:
        return None
    centres = _centres_by_word(names)
    for i, name in enumerate(names):
        if (stated := _stated(name)) is not None:
            centres[i] = stated
    return centres if np.isfinite(centres).any() else None


def region_of(wavelength: float) -> str | None:
    """The part of the spectrum that a broad band at a wavelength covers.

    >>> region_of(800), region_of(670), region_of(1000)
    ('nir', 'red', None)
    """
    for name, (shortest, longest, _) in _REGIONS.items():
        if shortest <= wavelength < longest:
            return name
    return None


def colour_bands(names: Sequence[str] | None) -> list[int] | None:
    """Indices of the bands in red, green and blue light; None unless the names tell all three.

    Examples
    --------
    >>> colour_bands(["B02", "B03", "B04", "B08"])
    [2, 1, 0]
    """
    if not names:
        return None
    # Wavelengths in names do not count: those of a microscope are of its lasers.
    regions = [region_of(centre) for centre in _centres_by_word(names)]
    wanted = ("red", "green", "blue")
    return [regions.index(name) for name in wanted] if set(wanted) <= set(regions) else None


def _centres_by_word(names: Sequence[str]) -> NDArray[np.float64]:
    """Centres of bands called by a colour or as a satellite's; NaN for others."""
    of_satellite = _of_satellite(names)
    letters = sum(name.strip().lower() in _LETTERS for name in names) > 1
    words = [_word(name, letters) for name in names]
    return np.array(
        [
            of_satellite.get(name, np.nan if word is None else _REGIONS[word][2])
            for name, word in zip(names, words, strict=True)
        ],
        np.float64,
    )


def _word(name: str, letters: bool) -> str | None:
    """The region that a name spells out."""
    words = [w for w in re.split(r"[^a-z0-9]+", name.lower()) if w and w not in _FILLING]
    words = words[1:] if len(words) > 1 and words[0].isdecimal() else words  # "Band 3 (Red)"
    text = " ".join(words)
    if text in _LETTERS and not letters:
        return None
    text = _SPELLINGS.get(text, text)
    return text if text in _REGIONS else None


def _stated(name: str) -> float | None:
    """A wavelength in a name, as in "Red (665 nm)", in nanometres."""
    if found := _NANOMETRES.search(name):
        return float(found[1])
    if found := _MICROMETRES.search(name):
        return float(found[1].replace(",", ".")) * 1e3
    return None


def _of_satellite(names: Sequence[str]) -> dict[str, float]:
    """Centres of names such as B02 or SR_B4, if they can only be those of one satellite."""
    found = {name: match for name in names if (match := _NUMBERED.fullmatch(name.strip()))}
    numbers = {match[2] for match in found.values()}
    landsat = any(_OF_LANDSAT.search(name) for name in found)
    padded = any(match[1] for match in found.values())
    if numbers & {"8", "8A", "11", "12"} and not landsat:
        table = _SENTINEL_2
    elif landsat or (padded and numbers & {"5", "6", "7"}) or numbers >= set("234567"):
        table = _LANDSAT
    elif padded:
        table = {k: v for k, v in _SENTINEL_2.items() if k in "1234"}  # the same for both
    else:
        return {}  # a number may be anything
    return {name: float(table[match[2]]) for name, match in found.items() if match[2] in table}
