"""CSV: a table of measurements, of the masks of one image or of many, and of prompts to read.

Columns in physical units have the unit in their name, as in ``area_um2``, so that the table
explains itself.

A table of prompts has a row for each box or point. Its columns, of which `_COLUMNS` lists other
names, are

=============================== =================================================================
``image``                       file name of the image; may be left out if there is only one
``id``                          rows of an image with the same id are one object; without this
                                column each row is an object
``class_name``
``x``, ``y``                    a point, with (0, 0) at the centre of the first pixel
``label``                       1 for a point on the object (the default), 0 for one off it
``x0``, ``y0``, ``x1``, ``y1``  a box: left, top, right, bottom; also ``x1`` to ``y2``
``bbox_x``, ``bbox_y``,         a box as in the tables that anymask writes: its first pixel, and how
``bbox_width``, ``bbox_height`` many pixels it is wide and high
``lon``, ``lat``                a point by longitude and latitude, in degrees
=============================== =================================================================

Where there are only boxes, ``label`` means the class. A row with an image and nothing else says
that there is no object in it. The separator is a comma, a semicolon or a tab.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from anymask.errors import PromptError
from anymask.files import whole_file
from anymask.io import table_parts
from anymask.io.guards import read_text
from anymask.io.mask_file import MaskFile
from anymask.io.registry import MaskFormat
from anymask.io.table_parts import Column, columns_of, part_of, rows_in
from anymask.masks.measure import Measurements
from anymask.notices import tell
from anymask.prompts.placing import PIXELS, WGS84
from anymask.prompts.prompts import Prompts, listed
from anymask.prompts.rows import Part, collected
from anymask.wording import counted

# Each column of prompts, and its other names, in lower case.
_COLUMNS = {
    "image": ("image_name", "filename", "file_name"),
    "id": ("object", "object_id"),
    "class_name": ("class",),
    "x": (),
    "y": (),
    "lon": ("longitude",),
    "lat": ("latitude",),
    "label": (),
    "x0": ("xmin",),
    "y0": ("ymin",),
    "x1": ("xmax",),
    "y1": ("ymax",),
    "bbox_x": (),
    "bbox_y": (),
    "bbox_width": (),
    "bbox_height": (),
}
_POINT, _DEGREES = ("x", "y"), ("lon", "lat")
_BOX, _XYWH = ("x0", "y0", "x1", "y1"), ("bbox_x", "bbox_y", "bbox_width", "bbox_height")
_PLACES = {*_POINT, *_DEGREES, *_BOX, *_XYWH}
_SEPARATORS = ",;\t"
_SIDES = (("width", "height"), ("w", "h"))


def write_csv(path: Path, table: Measurements) -> list[Path]:
    """Write measurements as CSV in UTF-8; cells without a value are empty."""
    write_parts(path, columns_of(table), [part_of(table)])
    return [path]


def write_parts(path: Path, columns: Sequence[Column], parts: Iterable[table_parts.Part]) -> None:
    """Write a table part by part.

    Raises
    ------
    OutputError
        If it cannot be written; nothing has then changed.
    """
    with (
        whole_file(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="replace") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(column.name for column in columns)
        for part in parts:
            nothing = [None] * rows_in(part)
            cells = (part.get(column.name, nothing) for column in columns)
            writer.writerows([_cell(value) for value in row] for row in zip(*cells, strict=True))


def read_prompts(file: MaskFile) -> Prompts:
    """Read a table of prompts.

    Raises
    ------
    PromptError
        If it has no columns of points or boxes, or a cell cannot be read.
    """
    path, text = file.path, read_text(file.path)
    header = text.partition("\n")[0]
    separator = max(_SEPARATORS, key=header.count)
    rows = csv.reader(io.StringIO(text), delimiter=separator)
    names = _with_second_corner([_known(name) for name in next(rows, [])])
    _check_sides(names, path)
    kinds = [kind for kind in (_POINT, _DEGREES, _BOX, _XYWH) if set(kind) <= set(names)]
    if not kinds:
        raise PromptError(
            f"{path} has the columns {listed(name.strip() for name in header.split(separator))}, "
            "none of which are prompts; name columns x and y for points, or x0, y0, x1, y1 for "
            "boxes."
        )
    twice = {name for name in names if names.count(name) > 1 and name in _COLUMNS}
    if not twice and ((_DEGREES in kinds and len(kinds) > 1) or {_BOX, _XYWH} <= set(kinds)):
        twice = {kind[0] for kind in kinds}
    if twice:
        raise PromptError(
            f"{path} gives places in two ways, {' and '.join(sorted(twice))}; keep the columns of "
            "one of them."
        )
    if not {_POINT, _DEGREES} & set(kinds) and "class_name" not in names:
        names = ["class_name" if name == "label" else name for name in names]
    used = {"image", "id", "class_name", "label", *(name for kind in kinds for name in kind)}
    if unused := [name for name in names if name not in used]:
        no_use = "is not used" if len(unused) == 1 else "are not used"
        tell(
            f"{path}: {counted(len(unused), 'column')} without prompts {no_use}: {listed(unused)}."
        )
    crs = file.crs or (WGS84 if _DEGREES in kinds else None)
    crs = None if crs == PIXELS else crs
    # Boxes of pixels begin at the corner of their first one; on a map nothing is shifted.
    corner = 0.5 if crs is None else 0.0
    images: set[str] = set()
    parts: list[Part] = []
    places: list[float] = []
    for row in rows:
        cells = {name: cell.strip() for name, cell in zip(names, row, strict=False)}
        if not any(cells.values()):
            continue
        if separator == ";":  # where this is usual, numbers have a decimal comma
            cells |= {name: cells[name].replace(",", ".") for name in _PLACES & cells.keys()}
        places += [_number(cells[name]) for name in _PLACES & cells.keys() if cells[name]]
        images.add(cells.get("image", ""))
        key = cells.get("id") or ("line", rows.line_num)
        parts += _parts(cells, key, f"Line {rows.line_num} of {path}", corner)
    if crs is None and _are_fractions(places):
        raise PromptError(
            f"{path} has coordinates from 0 to 1 only, which seem to be fractions of the image; "
            "multiply them by its width and height."
        )
    return collected(parts, image_sizes=dict.fromkeys(images), crs=crs, one_box=True)


def _with_second_corner(names: list[str]) -> list[str]:
    """Take x1, y1, x2, y2 for left, top, right and bottom, as some programs count corners."""
    if {"x1", "y1", "x2", "y2"} <= {*names} and not {"x0", "y0"} & {*names}:
        first = {"x1": "x0", "y1": "y0", "x2": "x1", "y2": "y1"}
        return [first.get(name, name) for name in names]
    return names


def _check_sides(names: Sequence[str], path: Path) -> None:
    """Refuse boxes of which nobody knows whether x and y are a corner or the centre."""
    low = {name.lower() for name in names}
    sides = next((pair for pair in _SIDES if {*pair} <= low), None)
    if sides is not None and {*_POINT} <= low and not {"bbox_width", "bx"} & low:
        raise PromptError(
            f"{path} has the columns x, y, {sides[0]} and {sides[1]}, and x and y may be a corner "
            "or the centre of a box; call them bbox_x, bbox_y, bbox_width and bbox_height if they "
            "are the upper left corner, or give x0, y0, x1 and y1."
        )


def _are_fractions(numbers: Sequence[float]) -> bool:
    """Whether these are no pixels, because all are in 0 to 1 and some are not whole."""
    return all(0 <= n <= 1 for n in numbers) and any(n != round(n) for n in numbers)


def _known(name: str) -> str:
    """The column that a name in the header means; the name itself if there is none."""
    low = name.strip().lower().replace(" ", "_").replace("-", "_")
    return next((own for own, others in _COLUMNS.items() if low in (own, *others)), name.strip())


def _parts(cells: Mapping[str, str], key: Hashable, where: str, corner: float) -> Iterator[Part]:
    """The box and the point of a row."""
    known: dict[str, Any] = {
        "key": key,
        "class_name": cells.get("class_name", ""),
        "image": cells.get("image", ""),
    }
    label = cells.get("label") or "1"
    for names in (_POINT, _DEGREES, _BOX, _XYWH):
        texts = [cells.get(name, "") for name in names]
        if not any(texts):
            continue
        numbers = [_number(text) for text in texts]
        for name, text, number in zip(names, texts, numbers, strict=True):
            if not math.isfinite(number):
                raise PromptError(f"{where}: {name} is {text!r}, which is no number; correct it.")
        if len(names) == 2:
            if label not in ("0", "1", "0.0", "1.0"):
                raise PromptError(
                    f"{where}: label is {label!r}, but a label is 1 (a point on the object) or 0 "
                    "(off it); call a column of classes class_name."
                )
            yield Part(points=[numbers], label=int(float(label)), **known)
            continue
        x0, y0, x1, y1 = numbers
        if names == _XYWH:
            x0, y0, x1, y1 = x0 - corner, y0 - corner, x0 + x1 - corner, y0 + y1 - corner
        if x1 < x0 or y1 < y0:
            raise PromptError(
                f"{where}: the box ({', '.join(texts)}) ends before it begins; give left, top, "
                "right and bottom."
            )
        yield Part([(x0, y0), (x1, y1)], **known)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _cell(value: Any) -> Any:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return value


def _sniff(file: MaskFile) -> bool:
    return file.suffix in (".csv", ".tsv")


FORMAT = MaskFormat(
    name="csv",
    title="measurements as CSV",
    suffixes=(".csv",),
    write_table=write_csv,
    write_parts=write_parts,
    read_prompts=read_prompts,
    sniff=_sniff,
    ending=".masks.csv",
    keeps_scores=True,
)
