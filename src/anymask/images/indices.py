"""Spectral indices by name: formula and source.

Formulas are expressions over the bands of an image. The second number in ``nm(800, 60)`` is the
tolerance: how far the band that is used may lie from the wavelength. It is wide where plant spectra
are flat (the near-infrared plateau) and narrow where they are steep.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Index:
    """A spectral index.

    Attributes
    ----------
    name : str
        The name in expressions, in lower case.
    title : str
        Its full name.
    formula : str
        Expression over bands.
    source : str
        Where it was published.
    needs_reflectance : bool
        Whether its constants are only valid for reflectance from 0 to 1. Other indices are
        ratios, which are the same in any unit.
    """

    name: str
    title: str
    formula: str
    source: str
    needs_reflectance: bool = False


_NIR, _RED, _GREEN = "nm(800, 60)", "nm(670, 20)", "nm(550, 20)"

INDICES: dict[str, Index] = {
    index.name: index
    for index in (
        Index(
            "ndvi",
            "Normalized difference vegetation index",
            f"({_NIR} - {_RED}) / ({_NIR} + {_RED})",
            "Rouse, Haas, Schell & Deering 1974, Third Earth Resources Technology Satellite-1 "
            "Symposium, NASA SP-351, 309–317",
        ),
        Index(
            "gndvi",
            "Green NDVI",
            f"({_NIR} - {_GREEN}) / ({_NIR} + {_GREEN})",
            "Gitelson, Kaufman & Merzlyak 1996, Remote Sensing of Environment 58, 289–298",
        ),
        Index(
            "ndre",
            "Normalized difference red edge",
            "(nm(790, 60) - nm(720, 10)) / (nm(790, 60) + nm(720, 10))",
            "Barnes et al. 2000, Proceedings of the Fifth International Conference on Precision "
            "Agriculture, Bloomington",
        ),
        Index(
            "evi",
            "Enhanced vegetation index",
            "2.5 * (nm(858, 60) - nm(645, 25)) "
            "/ (nm(858, 60) + 6 * nm(645, 25) - 7.5 * nm(469, 20) + 1)",
            "Huete et al. 2002, Remote Sensing of Environment 83, 195–213",
            needs_reflectance=True,
        ),
        Index(
            "savi",
            "Soil-adjusted vegetation index",
            f"1.5 * ({_NIR} - {_RED}) / ({_NIR} + {_RED} + 0.5)",
            "Huete 1988, Remote Sensing of Environment 25, 295–309",
            needs_reflectance=True,
        ),
        Index(
            "pri",
            "Photochemical reflectance index",
            "(nm(531, 5) - nm(570, 5)) / (nm(531, 5) + nm(570, 5))",
            "Gamon, Serrano & Surfus 1997, Oecologia 112, 492–501",
        ),
        Index(
            "ndwi",
            "Normalized difference water index (of leaves)",
            "(nm(860, 30) - nm(1240, 20)) / (nm(860, 30) + nm(1240, 20))",
            "Gao 1996, Remote Sensing of Environment 58, 257–266",
        ),
        Index(
            "ndwi_open",
            "Normalized difference water index (of open water)",
            "(nm(560, 20) - nm(830, 60)) / (nm(560, 20) + nm(830, 60))",
            "McFeeters 1996, International Journal of Remote Sensing 17, 1425–1432",
        ),
        Index(
            "cigreen",
            "Green chlorophyll index",
            f"{_NIR} / {_GREEN} - 1",
            "Gitelson, Gritz & Merzlyak 2003, Journal of Plant Physiology 160, 271–282",
        ),
        Index(
            "cire",
            "Red-edge chlorophyll index",
            f"{_NIR} / nm(720, 10) - 1",
            "Gitelson, Gritz & Merzlyak 2003, Journal of Plant Physiology 160, 271–282",
        ),
        Index(
            "mcari",
            "Modified chlorophyll absorption in reflectance index",
            "((nm(700, 8) - nm(670, 8)) - 0.2 * (nm(700, 8) - nm(550, 8))) "
            "* (nm(700, 8) / nm(670, 8))",
            "Daughtry et al. 2000, Remote Sensing of Environment 74, 229–239",
            needs_reflectance=True,
        ),
        Index(
            "ari",
            "Anthocyanin reflectance index",
            "1 / nm(550, 8) - 1 / nm(700, 8)",
            "Gitelson, Merzlyak & Chivkunova 2001, Photochemistry and Photobiology 74, 38–45",
            needs_reflectance=True,
        ),
    )
}
"""All indices by name."""
