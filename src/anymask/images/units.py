"""Units of length in files: convert wavelengths to nanometres, and names to symbols."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.notices import tell

_TO_NM = {
    "nm": 1.0,
    "nanometer": 1.0,
    "nanometre": 1.0,
    "um": 1e3,
    "µm": 1e3,
    "μm": 1e3,  # the Greek letter; the one above is the micro sign
    "micron": 1e3,
    "micrometer": 1e3,
    "micrometre": 1e3,
    "mm": 1e6,
    "millimeter": 1e6,
    "millimetre": 1e6,
    "cm": 1e7,
    "centimeter": 1e7,
    "centimetre": 1e7,
    "m": 1e9,
    "meter": 1e9,
    "metre": 1e9,
    "a": 0.1,
    "å": 0.1,
    "angstrom": 0.1,
}
# The speed of light in nm × GHz: wavelength in nm = this / frequency in GHz.
_NM_GHZ = 299_792_458.0
# Above any wavelength in micrometres that cameras see, and below any in nanometres.
_LONGEST_IN_MICROMETRES = 100.0
_SHORTEST_IN_NANOMETRES = 10.0


def wavelengths_in_nm(values: ArrayLike, unit: str | None) -> NDArray[np.float64] | None:
    """Convert wavelengths to nanometres; None if the unit is "index", which means band numbers.

    A missing or unknown unit is read as micrometres if no number is above 100, otherwise as
    nanometres. Nanometres of which none is above 10 are micrometres, with a notice.

    Examples
    --------
    >>> wavelengths_in_nm([0.45, 0.7], "Micrometers").round(6)
    array([450., 700.])
    >>> wavelengths_in_nm([10_000], "Wavenumber")
    array([1000.])
    """
    numbers = np.asarray(values, np.float64).reshape(-1)
    name = (unit or "unknown").strip().lower()
    name = name.removesuffix("s") if name.removesuffix("s") in _TO_NM else name
    known = numbers[np.isfinite(numbers)]
    if known.size and 0 < known.max() <= _SHORTEST_IN_NANOMETRES and _TO_NM.get(name) == 1:
        tell(f"Wavelengths up to {known.max():g} cannot be in nm; they are taken as in µm.")
        name = "µm"
    with np.errstate(divide="ignore"):
        if name in _TO_NM:
            return numbers * _TO_NM[name]
        if name in ("wavenumber", "cm-1", "1/cm", "cm^-1"):
            return 1e7 / numbers
        if name in ("ghz", "mhz"):
            return _NM_GHZ * (1 if name == "ghz" else 1e3) / numbers
    if name == "index":
        return None
    if known.size and known.max() <= _LONGEST_IN_MICROMETRES:
        return numbers * 1e3
    return numbers


def length_ratio(unit: str, other: str) -> float | None:
    """How many of another unit of length are in one unit; None if one of them is no known length.

    >>> length_ratio("mm", "µm"), length_ratio("mm", "degree")
    (1000.0, None)
    """
    if unit == other:
        return 1.0
    lengths = {**_TO_NM, "km": 1e12, "inch": 2.54e7, "pm": 1e-3, "Å": 0.1}
    return lengths[unit] / lengths[other] if {unit, other} <= lengths.keys() else None


def unit_symbol(name: str) -> str:
    """The symbol of a unit of length, as written in results.

    >>> [unit_symbol(name) for name in ("micron", "um", "millimeter", "Metres", "furlong")]
    ['µm', 'µm', 'mm', 'm', 'furlong']
    """
    bare = name.strip().lower()
    if bare.endswith("s") and len(bare) > 2:
        bare = bare[:-1]
    bare = bare.replace("metre", "meter").replace("μ", "µ")
    symbols = {
        "nanometer": "nm",
        "um": "µm",
        "micron": "µm",
        "micrometer": "µm",
        "\\u00b5m": "µm",
        "millimeter": "mm",
        "centimeter": "cm",
        "meter": "m",
        "kilometer": "km",
        "angstrom": "Å",
        "inche": "inch",
        "degree": "degree",
    }
    if bare in symbols:
        return symbols[bare]
    return bare if bare in ("nm", "µm", "mm", "cm", "m", "km", "pm", "inch") else name.strip()
