"""YOLO labels: a text file per image, a line per object, one list of classes.

A line has the class number and the corners of one outline, x and y as fractions of the image width
and height. Parts and holes are joined to one outline by lines that go there and back. There are no
ids: objects are written in the order of their ids and numbered from 1 when read. Masks without
pixels are left out. Lines of detection labels have a box in place of the outline, and are read as
prompts.

Classes are numbered in ``data.yaml``. It is written beside the folder ``labels`` if the text file
is in such a folder (or below it, as in ``labels/train``), otherwise beside the text file. In the
first case the image, if it is known, is put into ``images`` under the same name, where training
programs look for it. Where other programs put the list, and under what names, is in
`yolo_classes.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from anymask.errors import ImageError, OutputError
from anymask.files import write_together
from anymask.io.dataset_images import image_beside
from anymask.io.guards import check_size, read_text
from anymask.io.mask_file import MaskFile
from anymask.io.registry import MaskFormat
from anymask.io.write_context import WriteContext
from anymask.io.yolo_classes import LABELS, YAML, YoloClasses, classes_near, read_yaml, yaml_beside
from anymask.masks.mask_set import MaskSet
from anymask.masks.polygons import fill_polygons, joined, outlines, simplified
from anymask.notices import tell
from anymask.prompts.prompts import Prompts
from anymask.prompts.rows import Part, collected

_IMAGES = "images"
_NO_CLASS = "object"
_DIGITS = 7  # some thousandths of a pixel at 60,000 pixels


def save(path: Path, masks: MaskSet, context: WriteContext) -> list[Path]:
    """Write the text file, and ``data.yaml`` if it is missing or lacks a class.

    Raises
    ------
    OutputError
        If ``data.yaml`` lacks a class and may not be overwritten.
    """
    yaml_path = yaml_beside(path)
    known = read_yaml(yaml_path) if yaml_path.is_file() else None
    classes = _classes_for(masks, context, known)
    files = {path: _lines(masks, classes, context).encode("ascii")}
    if (place := _image_stem(path)) is not None:
        files |= image_beside(context, place)[1]
    if known != classes:
        # Only a file written by anymask is extended; a user's own has comments and paths.
        ours = known is not None and read_text(yaml_path) in (_yaml(known), _yaml_0_1_0(known))
        longer = known is not None and classes.names[: len(known.names)] == known.names
        if known is not None and not context.overwrite and not (ours and longer):
            new = next((name for name in classes.names if name not in known.names), "object")
            raise OutputError(
                f"{yaml_path} has other classes than these masks, for example {new!r}; add them "
                "there in the same order, or replace it with --overwrite (Python: overwrite=True)."
            )
        files[yaml_path] = _yaml(classes).encode("utf-8")
    return write_together(files)


def load(file: MaskFile) -> MaskSet:
    """Read the text file of one image, whose height and width must be given."""
    path, image_size = file.path, file.image_size
    if image_size is None:
        raise ImageError(
            f"{path} has coordinates as fractions of the image size but not the size itself; give "
            "it (height, width)."
        )
    height, width = size = check_size(*image_size)
    counts, indices = [], []
    for number, values in _rows(path):
        if len(values) == 5:
            raise ImageError(
                f"{path} has boxes instead of outlines (line {number}); export segmentation labels,"
                " or make masks of the boxes with 'anymask segment IMAGES --prompts FILE'."
            )
        if len(values) < 7 or len(values) % 2 == 0:
            raise ImageError(
                f"Line {number} of {path} is not a class and at least three points x y; export the "
                "labels again."
            )
        ring = np.array(values[1:]).reshape(-1, 2) * (width, height)
        counts.append(fill_polygons([[ring]], size))
        indices.append(int(values[0]))
    names = _names(path, indices)
    return MaskSet.from_counts(
        size,
        counts,
        object_ids=np.arange(1, len(counts) + 1),
        class_names=names if any(names) else None,
    )


def read_prompts(file: MaskFile) -> Prompts:
    """Read the boxes, and those around outlines; a confidence at the end is left out."""
    corners, indices = [], []
    for number, values in _rows(file.path):
        if len(values) in (5, 6):
            x, y, width, height = values[1:5]
            ends = [(x - width / 2, y - height / 2), (x + width / 2, y + height / 2)]
        elif len(values) > 6:
            numbers = values[1:] if len(values) % 2 else values[1:-1]
            ends = list(zip(numbers[::2], numbers[1::2], strict=True))
        else:
            raise ImageError(
                f"Line {number} of {file.path} is not a class and a box x y width height; export "
                "the labels again."
            )
        # Where the image is 1 high and 1 wide, the centre of its only pixel is (0, 0).
        corners.append(np.array(ends) - 0.5)
        indices.append(int(values[0]))
    names = _names(file.path, indices)
    parts = (Part(ends, class_name=name) for ends, name in zip(corners, names, strict=True))
    return collected(parts, image_sizes={"": (1.0, 1.0)})


# Labels reach beyond the image a little, where augmentation moved them.
_FARTHEST = 3.0


def _rows(path: Path) -> Iterator[tuple[int, list[float]]]:
    """The numbers of each line that has any, and its number from 1."""
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        values = [float(value) for value in line.split()]
        if values[0] != int(values[0]) or values[0] < 0:
            raise ImageError(
                f"Line {number} of {path} does not begin with the number of a class; export the "
                "labels again."
            )
        if max(values[1:], default=0) > _FARTHEST:
            raise ImageError(
                f"Line {number} of {path} has the coordinate {max(values[1:]):g}, which seems to "
                "be in pixels; YOLO's are fractions of the image, so divide by its width and "
                "height."
            )
        yield number, values


def _names(path: Path, indices: Sequence[int]) -> list[str]:
    """The classes of these numbers; "" for no class."""
    classes = classes_near(path)
    shown = ["" if i == classes.unnamed else name for i, name in enumerate(classes.names)]
    for index in dict.fromkeys(indices):
        if shown and index >= len(shown):
            tell(f"{path} has the class {index}, which the list of classes does not have.")
    if indices and not classes.names:
        tell(
            f"{path}: there is no list of classes near it (data.yaml or classes.txt), so classes "
            "are called by their numbers."
        )
    return [shown[index] if index < len(shown) else str(index) for index in indices]


def _image_stem(path: Path) -> Path | None:
    """The place of the image of a label file, without its suffix; None outside ``labels``."""
    for folder in path.parents:
        if folder.name == LABELS:
            return folder.parent / _IMAGES / path.relative_to(folder).with_suffix("")
    return None


def _lacks(folder: Path) -> str | None:
    """What a data set still needs for training."""
    if (folder / _IMAGES).is_dir():
        return None
    return (
        f"To train on this data set, put the images into {folder / _IMAGES}, under the names of "
        "the label files."
    )


def _classes_for(masks: MaskSet, context: WriteContext, known: YoloClasses | None) -> YoloClasses:
    """The classes of the data set: those it already has, then the new ones of these masks."""
    names = context.classes_of(masks)
    unnamed = known.unnamed if known is not None else None
    if known is not None and (context.class_names is None or known.names[: len(names)] == names):
        names = [*known.names, *(name for name in names if name not in known.names)]
    nameless = not all(masks.class_names or [""] * len(masks))
    if nameless and unnamed is None and _NO_CLASS not in names:
        names, unnamed = [*names, _NO_CLASS], len(names)
    return YoloClasses(names, unnamed)


def _lines(masks: MaskSet, classes: YoloClasses, context: WriteContext) -> str:
    height, width = masks.image_size
    lines = {}
    for index, polygons in outlines(masks):
        name = masks.class_names[index] if masks.class_names else ""
        number = classes.names.index(name or _NO_CLASS)
        ring = joined([[simplified(r, context.simplify) for r in polygon] for polygon in polygons])
        shares = ring / (width, height)
        numbers = " ".join(f"{value:.{_DIGITS}g}" for value in shares.reshape(-1))
        lines[int(masks.ids[index])] = f"{number} {numbers}\n"
    return "".join(lines[id_] for id_ in sorted(lines))


def _yaml(classes: YoloClasses) -> str:
    # JSON strings are valid YAML, whatever characters they contain.
    names = "".join(f"  {i}: {json.dumps(name)}\n" for i, name in enumerate(classes.names))
    marked = "" if classes.unnamed is None else f"unnamed: {classes.unnamed}\n"
    # Without "path", folders are relative to this file; with "path: .", to where training starts.
    return f"train: images\nval: images\n{marked}names:{'' if names else ' {}'}\n{names}"


def _yaml_0_1_0(classes: YoloClasses) -> str:
    """The same file as anymask 0.1.0 wrote it."""
    return "path: .\n" + _yaml(classes)


def _sniff(file: MaskFile) -> bool:
    """Whether the first line has numbers; an empty text file is an image without objects."""
    if not file.start:
        return file.suffix == ".txt"
    first = next((line for line in file.text.splitlines() if line.strip()), "")
    try:
        return len([float(value) for value in first.split()]) >= 5
    except ValueError:
        return False


FORMAT = MaskFormat(
    name="yolo",
    title="YOLO segmentation labels",
    suffixes=(".txt",),
    write=save,
    read=load,
    read_prompts=read_prompts,
    dataset_images=_IMAGES,
    sniff=_sniff,
    dataset_folder=LABELS,
    dataset_list=YAML,
    dataset_lacks=_lacks,
    keeps_images=True,
    companions=("classes.txt",),
    keeps_ids=False,
    keeps_empty=False,
)
