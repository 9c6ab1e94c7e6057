"""Select masks by ids, or by conditions on anything that can be measured."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import AnymaskError
from anymask.expressions import Name, parse
from anymask.masks.mask_set import MaskSet
from anymask.masks.measure import PROPERTIES, measure
from anymask.masks.nesting import nesting
from anymask.masks.objects import Masks, as_set, in_form_of, union_of

Choice = str | Iterable[int]

_TREE = ("parent", "depth", "children")
# All names that a condition may use, whether these masks have them or not, for spelling advice.
_KNOWN = (
    *(name for name in PROPERTIES if name not in ("centroid", "bbox")),
    *("centroid_x", "centroid_y", "bbox_x", "bbox_y", "bbox_width", "bbox_height"),
    *("predicted_iou", "stability_score"),
    *_TREE,
)
_COMPARISONS = re.compile("[<>=!]")
_RANGE = re.compile(r"([0-9]+)\s*(?:[-–]\s*([0-9]+))?")
_LARGEST_ID = 2**63 - 1


def parse_ids(text: str) -> list[range]:
    """Parse a list of ids such as ``1-8,14,17,19-21``.

    Parameters
    ----------
    text : str
        Whole numbers from 1 and ranges (both ends included), separated by commas.

    Returns
    -------
    list of range
        One for each item; ``14`` is a range of one.

    Raises
    ------
    AnymaskError
        With the item that is neither an id nor a range.

    Examples
    --------
    >>> parse_ids("1-8, 14")
    [range(1, 9), range(14, 15)]
    >>> parse_ids("3-1")
    Traceback (most recent call last):
    anymask.errors.AnymaskError: In the ids '3-1', the range '3-1' ends before it begins; ...
    """
    shown = text if len(text) <= 60 else text[:57] + "…"
    if not text.strip():
        raise AnymaskError("The list of ids is empty; write for example 1-8,14.")
    found = []
    for item in text.split(","):
        match = _RANGE.fullmatch(item.strip())
        if match is None:
            what = f"{item.strip()[:30]!r} is neither an id nor a range" if item.strip() else ""
            raise AnymaskError(
                f"In the ids {shown!r}, {what or 'there is nothing between two commas'}; write "
                "whole numbers and ranges, separated by commas, such as 1-8,14."
            )
        digits = [number for number in match.groups() if number is not None]
        # Count digits first: Python refuses to parse very long numbers.
        if max(map(len, digits)) > 19 or int(digits[-1]) > _LARGEST_ID:
            raise AnymaskError(f"In the ids {shown!r}, one is above 2⁶³−1, the largest id.")
        first, last = int(digits[0]), int(digits[-1])
        if first < 1:
            raise AnymaskError(f"In the ids {shown!r}, there is a 0, which means background.")
        if last < first:
            raise AnymaskError(
                f"In the ids {shown!r}, the range {item.strip()!r} ends before it begins; write "
                f"{last}-{first}."
            )
        found.append(range(first, last + 1))
    return found


def choose(condition: str, table: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Return, for each row of a table, whether a condition holds.

    Parameters
    ----------
    condition : str
        For example ``"area > 200 and circularity > .8"``. The grammar is that of
        :func:`anymask.expressions.parse`; names are columns. No code in it is executed.
    table : mapping of str to (N,) array_like
        Columns by name: the result of `measure`, a CSV file, a DataFrame and so on.

    Returns
    -------
    (N,) bool array
        False where a required value is NaN.

    Raises
    ------
    ExpressionError
        If the condition cannot be understood, names a column that is missing or holds text, or is a
        number instead of a condition.

    Examples
    --------
    >>> choose("area > 200 and circularity > .8", {"area": [900, 90], "circularity": [0.9, 1]})
    array([ True, False])
    """
    return _rows(condition, table, ())


def _rows(condition: str, table: Mapping[str, Any], also_known: Sequence[str]) -> NDArray[np.bool_]:
    columns = {name: np.asarray(table[name]) for name in table.keys()}  # noqa: SIM118
    if "num_pixels" in columns:  # the same, whatever the unit of "area" is
        columns.setdefault("area_px", columns["num_pixels"])
    expression = parse(condition, names={*columns, *also_known}, indexed=())
    for node in expression.references():
        if not isinstance(node, Name):
            continue
        if node.name not in columns:
            alike = [repr(name) for name in columns if name.startswith(node.name + "_")]
            instead = f", but {', '.join(alike[:4])}" if alike else ""
            raise expression.error(node.position, f"these masks have no {node.name!r}{instead}")
        if columns[node.name].dtype.kind not in "biuf":
            raise expression.error(
                node.position, f"{node.name!r} is text, but conditions compare numbers"
            )
    result = expression.evaluate(columns)
    if result.dtype != np.bool_:
        raise expression.error(0, "this gives numbers, not yes or no; compare it, as in area > 200")
    length = len(next(iter(columns.values()))) if columns else 0
    return np.broadcast_to(result, (length,)).copy()


def properties_in(condition: str) -> list[str]:
    """Return the properties of `measure` that a condition needs.

    Raises
    ------
    ExpressionError
        If the condition cannot be understood.

    Examples
    --------
    >>> properties_in("bbox_x > 3 and intensity_mean_red > 20")
    ['bbox', 'intensity_mean']
    """
    return _properties_of({name.casefold() for name in parse(condition).names()})


def names_ids(choice: str) -> bool:
    """Whether a text is a list of ids; otherwise it is a condition.

    >>> names_ids("1-8,14"), names_ids("area > 8")
    (True, False)
    """
    text = choice.strip()
    return not _COMPARISONS.search(text) and (not text or text[0] in "0123456789,-–")


def keep(
    masks: Masks,
    choice: Choice,
    *,
    image: Any = None,
    pixel_size: float | tuple[float, float] | None = None,
    unit: str | None = None,
    channel_names: Sequence[str] | None = None,
    table: Mapping[str, Any] | None = None,
    missing_ids: bool = False,
) -> Masks:
    """Keep masks by their ids, or those for which a condition holds.

    Parameters
    ----------
    masks : MaskSet, label image or boolean mask
    choice : str or iterable of int
        Ids: ``"1-8,14,17,19-21"`` or any whole numbers. Or a condition on scores and on everything
        that `measure` measures, ``"area > 200 and circularity > .8"``, ``"predicted_iou > .9"``,
        in the unit of the pixel size; ``"area_px"`` is in pixels always;
        or on the nesting, ``"depth == 0"`` (inside no other mask), ``"children > 0"``,
        ``"parent == 3"``.
    image : (H, W) or (H, W, C) array_like, optional
        The image, for conditions on intensities: ``"intensity_mean_1 > 1000"``.
    pixel_size, unit, channel_names
        As for `measure`.
    table : mapping of str to (N,) array_like, optional
        Additional columns, which replace measured columns of the same name; in the order of the
        masks, or of the ids in a label image.
    missing_ids : bool
        Whether to ignore single ids that no mask has, which are an error by default. Ids in a
        range may always be missing.

    Returns
    -------
    Of the same form, ids unchanged.

    Raises
    ------
    AnymaskError
        If no mask has one of the ids, or the ids or the condition cannot be understood.

    Examples
    --------
    >>> labels = np.array([[3, 3, 3, 0], [3, 3, 0, 8], [0, 5, 0, 0]])
    >>> keep(labels, "1-4,8")
    array([[3, 3, 3, 0],
           [3, 3, 0, 8],
           [0, 0, 0, 0]])
    >>> keep(labels, "area > 1")[1:]
    array([[3, 3, 0, 0],
           [0, 0, 0, 0]])
    """
    given = as_set(masks)
    if not isinstance(choice, str) or names_ids(choice):
        return in_form_of(masks, given.select(_with_ids(given, choice, missing_ids)))
    more = {} if table is None else {name: table[name] for name in table.keys()}  # noqa: SIM118
    wanted = {name.casefold() for name in parse(choice).names()}
    columns: dict[str, Any] = dict(
        measure(
            given,
            image,
            pixel_size=pixel_size,
            unit=unit,
            properties=_properties_of(wanted - {name.casefold() for name in more}),
            channel_names=channel_names,
        )
    )
    if wanted & set(_TREE):
        tree = nesting(given, filled=not isinstance(masks, MaskSet)).columns()
        columns |= {name: tree[name] for name in _TREE}
    return in_form_of(masks, given.select(_rows(choice, columns | more, _KNOWN)))


def binarise(
    masks: MaskSet | NDArray[Any], choice: Choice | None = None, **options: Any
) -> NDArray[np.bool_]:
    """Combine masks, or some of them, into one boolean mask.

    Parameters
    ----------
    masks : MaskSet, label image or boolean mask
    choice : str or iterable of int, optional
        Ids or a condition, as for `keep`; all masks by default.
    **options
        As for `keep`.

    Returns
    -------
    (H, W) bool array
        True for every pixel of a chosen mask.

    Raises
    ------
    AnymaskError
        As for `keep`.

    Examples
    --------
    >>> binarise(np.array([[3, 3, 0, 7], [3, 0, 9, 7]]), "1-8").astype(int)
    array([[1, 1, 0, 1],
           [1, 0, 0, 1]])
    """
    return union_of(as_set(masks if choice is None else keep(masks, choice, **options)))


def keep_classes(masks: MaskSet, classes: str | Iterable[str]) -> MaskSet:
    """Keep the masks of the given classes.

    Parameters
    ----------
    masks : MaskSet
    classes : str or iterable of str
        Class names, as in `MaskSet.class_names`.

    Raises
    ------
    AnymaskError
        If no mask has one of the classes.

    Examples
    --------
    >>> stack = np.eye(2, dtype=bool)[:, None]
    >>> masks = MaskSet.from_masks(stack, class_names=["leaf", "soil"])
    >>> keep_classes(masks, "leaf").class_names
    ('leaf',)
    """
    wanted = {classes} if isinstance(classes, str) else set(classes)
    names = masks.class_names or ("",) * len(masks)
    unknown = sorted(wanted - set(names))
    if unknown:
        known = ", ".join(sorted({name for name in names if name})) or "no classes at all"
        raise AnymaskError(f"There is no mask of class {unknown[0]!r}; these masks have {known}.")
    return as_set(masks).select(np.array([name in wanted for name in names], np.bool_))


def _properties_of(names: Iterable[str]) -> list[str]:
    """The properties of columns; a column's name begins with its property's."""
    return [p for p in PROPERTIES if any(f"{name}_".startswith(f"{p}_") for name in names)]


def _with_ids(masks: MaskSet, choice: Choice, missing_ids: bool) -> NDArray[np.bool_]:
    """Whether each mask has one of these ids."""
    if isinstance(choice, str):
        items = parse_ids(choice)
        single = np.array([item.start for item in items if len(item) == 1], np.int64)
    else:
        items = []
        single = np.array(list(choice))
        if single.size and (single.ndim != 1 or single.dtype.kind not in "iu"):
            raise AnymaskError(
                f"Ids must be whole numbers, but these are {single.dtype} of shape "
                f"{single.shape}; give text such as '1-8,14' or a list of int."
            )
    absent = np.setdiff1d(single, masks.ids)
    if absent.size and not missing_ids:
        raise AnymaskError(
            f"There is no mask with id {absent[0]}; there are {_listed(masks.ids)}. "
            "Leave it out, or ignore missing ids."
        )
    chosen = np.isin(masks.ids, single)
    for item in items:
        chosen |= (masks.ids >= item.start) & (masks.ids < item.stop)
    return chosen


def _listed(ids: NDArray[np.int64]) -> str:
    """Ids in short: 1–12, 14, 17, …, 90."""
    ordered = np.unique(ids)
    if len(ordered) == 0:
        return "none at all"
    runs = np.split(ordered, np.flatnonzero(np.diff(ordered) > 1) + 1)
    words = [f"{run[0]}–{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs]
    if len(words) > 6:
        words = [*words[:5], "…", words[-1]]
    return ", ".join(words)
