"""The records of a session: plain data that the journal stores."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from anymask.images.recipes import Recipe
from anymask.session.errors import SessionError

ImageId = str
State = Literal["new", "segmented", "edited", "saved"]
EventKind = Literal[
    "images", "recipes", "model", "options", "classes", "labels", "objects", "run", "saved", "log"
]

DEFAULT_RECIPE = Recipe("rgb", ("rgb",))
"""The image as `to_rgb` shows it; every image has this one from the start."""


class LayerKey(NamedTuple):
    """One layer of labels: an image seen through one of its pseudo-RGBs."""

    image: ImageId
    recipe: str

    @property
    def text(self) -> str:
        """The key as one word, for messages and file names."""
        return f"{self.image}/{self.recipe}"


@dataclass(frozen=True)
class ImageRecord:
    """An image of a session.

    Attributes
    ----------
    id : str
        Never changes and is never reused.
    name : str
        Name of the image and its results; unique in the session.
    path : Path
    header : Path or None
        ENVI header, if it is not beside the data file.
    axes, shape, dtype
        As returned by `anymask.read`.
    read_options : dict
        Further options for `anymask.read`, such as `series` or `dataset`.
    wavelengths : tuple of float
        Wavelengths of the bands in nanometres; empty if unknown.
    fingerprint : dict
        "sha256" of the content, and "stat" of the files at that time.
    recipes : tuple of Recipe
    """

    id: ImageId
    name: str
    path: Path
    axes: str
    shape: tuple[int, ...]
    dtype: str
    fingerprint: Mapping[str, Any]
    header: Path | None = None
    read_options: Mapping[str, Any] | None = None
    wavelengths: tuple[float, ...] = ()
    recipes: tuple[Recipe, ...] = (DEFAULT_RECIPE,)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self._length("Y"), self._length("X")

    @property
    def planes(self) -> int:
        """Time points times depths; 1 for a single image."""
        return self._length("T") * self._length("Z")

    @property
    def along(self) -> int:
        """Number of neighbouring planes: the depths of one time point, or all time points.

        Planes are numbered through all depths of the first time point, then of the next.
        """
        return self._length("Z") if self._length("Z") > 1 else self._length("T")

    def planes_along(self, axis: str) -> int:
        """Return the number of time points ("T") or depths ("Z")."""
        return self._length(axis)

    def place_of(self, plane: int) -> str:
        """Describe where a plane is: "time 1, depth 4" or "depth 4"; "" for a single image."""
        time, depth = divmod(plane, self._length("Z"))
        named = (("T", f"time {time}"), ("Z", f"depth {depth}"))
        return ", ".join(text for axis, text in named if self._length(axis) > 1)

    @property
    def plane_axes(self) -> dict[str, int]:
        """The axes of the planes of a stack, and their lengths, in the order of the planes."""
        lengths = {axis: self._length(axis) for axis in "TZ"}
        return {axis: n for axis, n in lengths.items() if n > 1} or {"Z": 1}

    @property
    def bands(self) -> int:
        """Number of channels times colour samples."""
        return self._length("C") * self._length("S")

    @property
    def label_shape(self) -> tuple[int, ...]:
        """Shape of its labels: (H, W) or (planes, H, W)."""
        return (self.planes, *self.size) if self.planes > 1 else self.size

    def recipe(self, name: str) -> Recipe:
        """Return a pseudo-RGB by its name.

        Raises
        ------
        SessionError
            If the image has no pseudo-RGB with that name.
        """
        for how in self.recipes:
            if how.name == name:
                return how
        raise SessionError(f"{self.name} has no pseudo-RGB called {name!r}; add it first.")

    def to_json(self, folder: Path) -> dict[str, Any]:
        """Return JSON data for the journal; includes the path relative to the session's folder."""
        data = {
            "id": self.id, "name": self.name, "path": str(self.path), "axes": self.axes,
            "shape": list(self.shape), "dtype": self.dtype, "fingerprint": dict(self.fingerprint),
            "header": None if self.header is None else str(self.header),
            "options": dict(self.read_options or {}), "wavelengths": list(self.wavelengths),
            "recipes": [[how.name, list(how.source)] for how in self.recipes],
        }  # fmt: skip
        try:
            data["relative"] = self.path.relative_to(folder.parent).as_posix()
        except ValueError:
            data["relative"] = None
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any], folder: Path) -> ImageRecord:
        """Read what `to_json` wrote; a session and its images may have moved together."""
        path = Path(data["path"])
        beside = folder.parent / data["relative"] if data.get("relative") else None
        if beside is not None and not path.exists() and beside.exists():
            path = beside
        return cls(
            str(data["id"]),
            str(data["name"]),
            path,
            str(data["axes"]),
            tuple(int(n) for n in data["shape"]),
            str(data["dtype"]),
            dict(data["fingerprint"]),
            Path(data["header"]) if data.get("header") else None,
            dict(data.get("options") or {}),
            tuple(float(w) for w in data.get("wavelengths") or ()),
            tuple(Recipe(name, tuple(source)) for name, source in data["recipes"]),
        )

    def _length(self, axis: str) -> int:
        return self.shape[self.axes.index(axis)] if axis in self.axes else 1


@dataclass(frozen=True)
class RecipeAdded:
    """Which images got a new pseudo-RGB.

    Attributes
    ----------
    recipe : Recipe
    ids : tuple of str
        The images that have it now.
    refused : tuple of (str, str)
        Ids of images that it does not fit, each with a sentence.
    """

    recipe: Recipe
    ids: tuple[ImageId, ...]
    refused: tuple[tuple[ImageId, str], ...]


@dataclass(frozen=True)
class ModelRecord:
    """The model that a session works with.

    Attributes
    ----------
    name : str
        Name of the architecture.
    source : str or None
        The argument of `anymask.load`.
    sha256 : str or None
        Hash of the checkpoint, if it is a file.
    model_hash : str
        Hash of architecture and weights (`anymask.predict.embeddings.model_hash`).
    image_size : int
        Side of the square that the encoder sees.
    """

    name: str
    source: str | None
    sha256: str | None
    model_hash: str
    image_size: int


@dataclass(frozen=True)
class ObjectInfo:
    """Facts about an object besides its pixels.

    Attributes
    ----------
    class_name : str
        "" for none.
    predicted_iou, stability_score : float
        NaN if unknown.
    reviewed : bool
    origin : str
        What made it: "everything", "semantic", "click", "paint", "propagate", ….
    """

    class_name: str = ""
    predicted_iou: float = math.nan
    stability_score: float = math.nan
    reviewed: bool = False
    origin: str = "paint"

    @property
    def quality(self) -> float:
        """The model's own estimate: the product of the known scores, or NaN."""
        known = [s for s in (self.predicted_iou, self.stability_score) if not math.isnan(s)]
        return math.prod(known) if known else math.nan

    def to_json(self) -> list[Any]:
        """Return JSON data for the journal."""
        scores = (self.predicted_iou, self.stability_score)
        return [
            self.class_name,
            *(None if math.isnan(s) else round(s, 6) for s in scores),
            int(self.reviewed),
            self.origin,
        ]

    @classmethod
    def from_json(cls, data: list[Any]) -> ObjectInfo:
        """Read what `to_json` wrote."""
        name, *scores, reviewed, origin = data
        iou, stability = (math.nan if s is None else float(s) for s in scores)
        return cls(str(name), iou, stability, bool(reviewed), str(origin))

    def same_as(self, other: ObjectInfo | None) -> bool:
        """Whether both are equal; NaN equals NaN."""
        return other is not None and self.to_json() == other.to_json()


@dataclass(frozen=True)
class ClassRecord:
    """A class of objects and its colour, "#rrggbb"."""

    name: str
    color: str


@dataclass(frozen=True)
class Change:
    """What an edit changed, so that a window can redraw that part.

    Attributes
    ----------
    layer : LayerKey
    window : tuple of slice
        The changed part of the label array.
    ids : tuple of int
        Objects that were added, removed or changed.
    whole : bool
        Whether the label array itself was replaced, for example to change its dtype.
    note : str
        A sentence on what else the edit did, such as other objects that gave up pixels; "" for
        nothing.
    touched : tuple of int
        Objects that gained or lost pixels, those that were added and removed among them.
    """

    layer: LayerKey
    window: tuple[slice, ...]
    ids: tuple[int, ...]
    whole: bool = False
    note: str = ""
    touched: tuple[int, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing changed: no pixel and no object."""
        return not self.ids and any(part.stop <= part.start for part in self.window)


def joined_changes(changes: Sequence[Change]) -> Change:
    """Join several changes of one layer into one."""
    windows = [c.window for c in changes if all(part.stop > part.start for part in c.window)]
    window = changes[0].window
    if windows:
        window = tuple(
            slice(min(part.start for part in parts), max(part.stop for part in parts))
            for parts in zip(*windows, strict=True)
        )
    ids = tuple(sorted({label for change in changes for label in change.ids}))
    touched = tuple(sorted({label for change in changes for label in change.touched}))
    whole = any(change.whole for change in changes)
    return Change(changes[0].layer, window, ids, whole, touched=touched)


@dataclass(frozen=True)
class Event:
    """Something in the session changed."""

    kind: EventKind
    image: ImageId | None = None
    layer: LayerKey | None = None
    change: Change | None = None


class CancelToken:
    """Asks a run to stop; the run checks it between steps.

    >>> token = CancelToken()
    >>> token.cancel()
    >>> token.is_cancelled
    True
    """

    def __init__(self) -> None:
        self.is_cancelled = False

    def cancel(self) -> None:
        """Ask the run to stop soon; what is finished is kept."""
        self.is_cancelled = True
