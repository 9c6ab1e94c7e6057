"""What requests hold, checked before anything is done with it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from anymask.session import ClickPrompts, points_along

Coordinate = Annotated[float, Field(ge=-1e7, le=1e7, allow_inf_nan=False)]
Point = tuple[Coordinate, Coordinate]
Box = tuple[Coordinate, Coordinate, Coordinate, Coordinate]
Label = Annotated[int, Field(ge=1, le=2**32 - 1)]
Labels = Annotated[list[Label], Field(min_length=1, max_length=100_000)]
Name = Annotated[str, Field(max_length=200)]
Share = Annotated[float, Field(ge=0, le=1)]

_MOST_POINTS = 1000


class Body(BaseModel):
    """A request without unknown fields."""

    model_config = ConfigDict(extra="forbid")


class Scribble(Body):
    """A line drawn over an object, or over what does not belong to it."""

    path: list[Point] = Field(
        min_length=1, max_length=2000, description="(x, y) in pixels of the image, as drawn."
    )
    label: Literal[0, 1] = 1


class Prompts(Body):
    """Points, scribbles, a box, an object: together they describe one object."""

    points: list[Point] = Field(
        default=[], max_length=_MOST_POINTS, description="(x, y) in pixels of the image."
    )
    labels: list[Literal[0, 1]] = Field(
        default=[], max_length=_MOST_POINTS, description="For each point: 1 on it, 0 off it."
    )
    scribbles: list[Scribble] = Field(
        default=[],
        max_length=50,
        description="Drawn lines; a few points along each are asked.",
    )
    box: Box | None = Field(default=None, description="Left, top, right and bottom.")
    object: Label | None = Field(
        default=None, description="An object whose mask is part of the prompt."
    )

    def clicks(self) -> ClickPrompts:
        """Return the prompts as a session takes them."""
        prompts = ClickPrompts(tuple(self.points), tuple(self.labels), self.box, self.object)
        for scribble in self.scribbles:
            prompts = prompts.with_points(points_along(scribble.path), scribble.label)
        return prompts


class Prediction(Prompts):
    """Prompts to be answered with masks; nothing is changed."""

    candidates: bool | None = Field(
        default=None, description="Three masks instead of one; by default only for a single point."
    )
    view: Box | None = Field(
        default=None,
        description="The visible part of a large image (left, top, right, bottom), of which the "
        "model then sees the finest part that holds it.",
    )
    masks: Literal["outline", "rle", "none"] = "rle"


class Commit(Prediction):
    """A predicted mask that becomes an object."""

    preview: str | None = Field(
        default=None,
        max_length=40,
        description="The `preview` of an answer, so as not to repeat it.",
    )
    candidate: int | None = Field(
        default=None, ge=0, le=2, description="Which mask; by default the one with the best score."
    )
    class_name: Name = Field(default="", alias="class")
    id: Label | None = Field(default=None, description="An object whose pixels it replaces.")
    overwrite: bool | None = Field(
        default=None,
        description="Whether it takes pixels from all objects, or from none; by default from "
        "those that nobody has looked at since a run made them.",
    )
    revision: int | None = Field(default=None, description="What the caller last saw.")


class Rle(Body):
    """Run lengths as in COCO: column by column, background first."""

    size: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]
    counts: list[Annotated[int, Field(ge=0)]] | str = Field(max_length=2_000_000)


class Revised(Body):
    """A change of a layer that is refused if someone else has changed it."""

    revision: int | None = Field(
        default=None, description="What the caller last saw; without it, nothing is checked."
    )


class Painting(Revised):
    """Pixels drawn by hand: those of a mask whose first pixel is at `left`, `top`."""

    mask: Rle
    left: int = Field(ge=0)
    top: int = Field(ge=0)
    how: Literal["new", "add", "erase"] = Field(
        description="A new object, more pixels of the object `id`, or background (of `id` only, "
        "if it is given)."
    )
    id: Label | None = None
    class_name: Name = Field(default="", alias="class")
    tool: Literal["brush", "polygon"] = "brush"
    overwrite: bool = Field(default=False, description="Whether it takes pixels of other objects.")


class Chosen(Revised):
    """Objects by their ids."""

    ids: Labels


class Split(Revised):
    """An object to be split."""

    id: Label
    how: Literal["components", "watershed"] = Field(
        default="components", description="Into its pieces, or at its necks."
    )


class Classified(Chosen):
    """Objects and their class; "" for none."""

    class_name: Name = Field(alias="class")


class Reviewed(Chosen):
    """Objects that were looked at."""

    reviewed: bool = True


class Class(Body):
    """A class of objects; without a colour, a free one is chosen."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    color: str | None = Field(default=None, pattern="^#[0-9a-fA-F]{6}$")


class Classes(Body):
    """All classes, in the order of their numbers in files."""

    classes: list[Class] = Field(max_length=500)


class Renaming(Body):
    """A new name of a class, in all images."""

    old: Name
    new: Annotated[str, Field(min_length=1, max_length=200)]


class Naming(Body):
    """How people call the sender."""

    name: Annotated[str, Field(max_length=60)] = ""


class Selecting(Revised):
    """Thresholds that select masks of the last run, without the model."""

    pred_iou: Share | None = None
    stability: Share | None = None
    min_area: Annotated[float, Field(ge=0)] | None = None
    preview: bool = Field(default=False, description="Only show what they would give.")
    replace: bool = Field(default=False, description="Whether edits may be lost.")


class Everything(Body):
    """A run that finds every object in images."""

    images: list[Name] | None = Field(
        default=None, max_length=100_000, description="Ids; all images by default."
    )
    rgb: Name | None = Field(default=None, description="A pseudo-RGB; the first by default.")
    points_per_side: int = Field(default=32, ge=1, le=128)
    replace: bool = Field(default=False, description="Whether edits may be lost.")


class Exporting(Body):
    """Masks to be downloaded as files."""

    formats: list[Name] = Field(min_length=1, max_length=20)
    images: list[Name] | None = Field(
        default=None, max_length=100_000, description="Ids; all images with masks by default."
    )


class PseudoRgb(Body):
    """A pseudo-RGB: three expressions, or one name of an index or a method."""

    source: list[Annotated[str, Field(min_length=1, max_length=500)]] = Field(
        min_length=1, max_length=3
    )
    name: Annotated[str, Field(min_length=1, max_length=100)] | None = None
