"""Plots of tables of measurements: distributions, two traits against each other, spectra."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from anymask.errors import AnymaskError
from anymask.files import whole_file
from anymask.images.spectra_plot import draw_spectrum, legend_beside, new_figure
from anymask.masks.measure import SIZES
from anymask.palette import colours_of
from anymask.wording import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Table = Mapping[str, NDArray[Any]]
By = Literal["image", "class", "object"]

MOST_GROUPS = 40
"""At most this many groups are drawn; more would be unreadable."""
_MOST_COLOURS = 24
_SPECTRA = ("band", "mean", "std")


def plot_table(table: Table, path: Path, traits: Sequence[str] = (), by: By | None = None) -> str:
    """Plot one trait, two traits, or the spectra in a table.

    Parameters
    ----------
    table, traits, by
        As in `figure_of`.
    path : Path
        PNG, SVG or PDF to write.

    Returns
    -------
    str
        A sentence on what is drawn.

    Raises
    ------
    AnymaskError
        As `figure_of`, or if `path` has another suffix.
    OutputError
        If the file cannot be written.
    """
    if path.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise AnymaskError(f"{path} is neither .png nor .svg nor .pdf; give it one of these names.")
    figure, told = figure_of(table, traits, by)
    with whole_file(path) as part:
        figure.savefig(part, dpi=150)
    return told


def figure_of(table: Table, traits: Sequence[str] = (), by: By | None = None) -> tuple[Figure, str]:
    """Draw one trait, two traits, or the spectra in a table.

    Parameters
    ----------
    table : mapping of str to (N,) array
        Columns, as `anymask.io.read_table` returns them: one row an object or image; for spectra
        one row an object and band, as ``anymask measure --long`` writes them.
    traits : sequence of str
        None: spectra, the mean of each group, shaded by one standard deviation. One: its
        distribution in each group. Two: the first across, the second up. Names may lack the unit.
    by : {"image", "class", "object"}, optional
        What makes a group: by default the class, if there are several, else the image; a single
        object's spectrum is shaded by its own standard deviation.

    Returns
    -------
    figure : matplotlib Figure
    told : str
        A sentence on what is drawn.

    Raises
    ------
    AnymaskError
        If the table lacks a trait or a column that `by` needs, or has no values or no spectra.
    ImageError
        If matplotlib is not installed.
    """
    columns = [column_called(table, name) for name in traits]
    if len(columns) > 2:
        raise AnymaskError("A plot shows one trait or two; make one plot for each pair.")
    if not columns and not set(_SPECTRA) <= table.keys():
        numbers = [name for name in table if table[name].dtype.kind == "f" and name != "id"]
        raise AnymaskError(
            f"The table has no spectra; name one or two of its traits: {', '.join(numbers)}."
        )
    for name in columns or ["mean"]:
        if not np.isfinite(table[name]).any():
            raise AnymaskError(f"The table has no values of {name!r} to plot.")
    groups = _Groups(table, by, all_objects=not columns)
    return (_spectra, _distribution, _scatter)[len(columns)](table, columns, groups)


def column_called(table: Table, name: str) -> str:
    """Return the column of a trait, whose name may lack the unit.

    Raises
    ------
    AnymaskError
        If there is none, or several.

    Examples
    --------
    >>> column_called({"area_mm2": np.ones(3), "id": np.ones(3)}, "area")
    'area_mm2'
    """
    found = [name] if name in table else [each for each in table if _without_unit(each) == name]
    numbers = [each for each in table if table[each].dtype.kind == "f"]
    if not found:
        near = get_close_matches(name, numbers, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(numbers)}."
        raise AnymaskError(f"The table has no column {name!r}; {hint}")
    if len(found) > 1:
        raise AnymaskError(f"{name!r} may be {' or '.join(found)}; give the whole name.")
    if found[0] not in numbers:
        raise AnymaskError(f"The column {found[0]!r} is text; plots show numbers.")
    return found[0]


class _Groups:
    """The rows of a table in groups: names, and the rows of each, in the order of the table."""

    def __init__(self, table: Table, by: By | None, *, all_objects: bool) -> None:
        self.by: By | None = by or _natural(table, all_objects)
        keys = _keys(table, self.by)
        names, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        order = np.argsort(first, kind="stable")
        self.names = [str(names[i]) for i in order]
        self.rows = [np.flatnonzero(inverse.ravel() == i) for i in order]
        self.number = len(self.names)

    def keep_largest(self, most: int) -> str:
        """Keep the largest groups, in their order; return a note if some are left out."""
        if self.number <= most:
            return ""
        sizes = np.array([-len(rows) for rows in self.rows])
        kept = np.sort(np.argsort(sizes, kind="stable")[:most])
        self.names = [self.names[i] for i in kept]
        self.rows = [self.rows[i] for i in kept]
        return f" (the {most} largest of {self.number})"

    def colour(self, index: int) -> tuple[float, ...]:
        return tuple(colours_of(np.array(index + 1)) / 255)


def _natural(table: Table, all_objects: bool) -> By | None:
    """What groups are made of if nobody says."""
    for name, by in (("class_name", "class"), ("image", "image")):
        if name in table and len(np.unique(table[name])) > 1:
            return by  # type: ignore[return-value]
    return "object" if all_objects else None


def _keys(table: Table, by: By | None) -> NDArray[np.str_]:
    length = len(next(iter(table.values())))
    if by is None:
        return np.full(length, "")
    wanted = {"image": ["image"], "class": ["class_name"], "object": ["image", "id"]}[by]
    if by == "object" and "image" not in table:
        wanted = ["id"] if "id" in table else ["object"]
    for name in wanted:
        if name not in table:
            raise AnymaskError(f"The table has no column {name!r}, which by={by} needs.")
    if by == "object":
        ids = [f"{number:.0f}" for number in table[wanted[-1]]]
        several = len(wanted) > 1 and len(np.unique(table["image"])) > 1
        images = [f"{image} " for image in table["image"]] if several else [""] * length
        return np.array([a + b for a, b in zip(images, ids, strict=True)], np.str_)
    named = table[wanted[0]]
    return np.where(named == "", "no class", named) if by == "class" else named


def _distribution(table: Table, columns: Sequence[str], groups: _Groups) -> tuple[Figure, str]:
    values = table[columns[0]]
    left_out = groups.keep_largest(MOST_GROUPS)
    figure = new_figure(max(4.0, 1.8 + 0.42 * len(groups.names)), 4.5)
    axes = figure.subplots()
    jitter = np.random.default_rng(0)
    places = np.arange(1, len(groups.names) + 1)
    known = [values[rows][np.isfinite(values[rows])] for rows in groups.rows]
    axes.boxplot(
        known,
        positions=places,
        widths=0.6,
        showfliers=False,
        medianprops={"color": "black"},
        boxprops={"color": "0.4"},
        whiskerprops={"color": "0.4"},
        capprops={"color": "0.4"},
        zorder=4,
    )
    for index, own in enumerate(known):
        x = places[index] + jitter.uniform(-0.2, 0.2, own.size)
        axes.scatter(x, own, s=9, color=groups.colour(index), alpha=0.6, linewidths=0)
    few = groups.by is None or (len(groups.names) <= 6 and max(map(len, groups.names)) < 12)
    axes.set_xticks(places, groups.names, rotation=0 if few else 90)
    axes.set_ylabel(label_of(columns[0]))
    axes.grid(axis="y", alpha=0.25)
    number = sum(own.size for own in known)
    told = f"{label_of(columns[0])} of {_counted(table, number)}{_by(groups)}{left_out}"
    axes.set_title(told, fontsize="medium")
    return figure, f"{told}."


def _scatter(table: Table, columns: Sequence[str], groups: _Groups) -> tuple[Figure, str]:
    x, y = (table[name] for name in columns)
    known = np.isfinite(x) & np.isfinite(y)
    figure = new_figure(6.5, 4.8)
    axes = figure.subplots()
    coloured = groups.by is not None and 1 < groups.number <= _MOST_COLOURS
    for index, rows in enumerate(groups.rows if coloured else [np.arange(len(x))]):
        own = rows[known[rows]]
        colour, label = groups.colour(index), groups.names[index] if coloured else None
        axes.scatter(x[own], y[own], s=14, color=colour, alpha=0.7, linewidths=0, label=label)
    axes.set_xlabel(label_of(columns[0]))
    axes.set_ylabel(label_of(columns[1]))
    axes.grid(alpha=0.25)
    if coloured:
        legend_beside(axes, str(groups.by), groups.number)
    told = (
        f"{label_of(columns[1])} against {label_of(columns[0])} of "
        f"{_counted(table, int(np.count_nonzero(known)))}"
    )
    axes.set_title(told, fontsize="medium")
    return figure, f"{told}."


def _spectra(table: Table, columns: Sequence[str], groups: _Groups) -> tuple[Figure, str]:
    left_out = groups.keep_largest(_MOST_COLOURS)
    figure = new_figure(8, 4.5)
    axes = figure.subplots()
    waves = table.get("wavelength_nm", np.full(len(table["band"]), np.nan))
    has_waves = bool(np.isfinite(waves).all())
    objects = _keys(table, "object")
    for index, rows in enumerate(groups.rows):
        places, inverse = np.unique(
            (waves if has_waves else table["band"])[rows], return_inverse=True
        )
        bands = np.zeros(len(places))
        bands[inverse.ravel()] = table["band"][rows]
        mean, std = (np.full(len(places), np.nan) for _ in range(2))
        alone = len(np.unique(objects[rows])) == 1
        for place in range(len(places)):
            own = rows[inverse.ravel() == place]
            values = table["mean"][own]
            values = values[np.isfinite(values)]
            if values.size:
                mean[place] = values.mean()
                std[place] = table["std"][own][0] if alone else values.std()
        draw_spectrum(axes, places, bands, mean, std, groups.colour(index), groups.names[index])
    axes.set_xlabel("wavelength (nm)" if has_waves else "band")
    axes.set_ylabel("value")
    axes.grid(alpha=0.25)
    axes.margins(x=0.01)
    legend_beside(axes, str(groups.by), len(groups.names))
    told = f"Spectra of {counted(len(np.unique(objects)), 'object')}{_by(groups)}{left_out}"
    axes.set_title(told, fontsize="medium")
    return figure, f"{told}; shaded: one standard deviation."


def _counted(table: Table, number: int) -> str:
    return counted(number, "object" if "id" in table else "image")


def _by(groups: _Groups) -> str:
    return "" if groups.by is None else f" by {groups.by}"


_UNIT = re.compile(r"(?P<trait>.+)_(?P<unit>nm|um|mm|cm|m|km|inch)(?P<squared>2?)")


def _without_unit(column: str) -> str:
    parts = _UNIT.fullmatch(column)
    return parts["trait"] if parts and _is_size(parts["trait"]) else column


def _is_size(trait: str) -> bool:
    return trait.removeprefix("sum_").removeprefix("mean_") in SIZES


def label_of(column: str) -> str:
    """Return the name of a column for an axis, with its unit.

    Examples
    --------
    >>> label_of("area_um2"), label_of("ndvi_mean")
    ('area (µm²)', 'ndvi mean')
    """
    parts = _UNIT.fullmatch(column)
    if parts is None or not _is_size(parts["trait"]):
        return column.replace("_", " ")
    unit = parts["unit"].replace("um", "µm") + ("²" if parts["squared"] else "")
    return f"{parts['trait'].replace('_', ' ')} ({unit})"
