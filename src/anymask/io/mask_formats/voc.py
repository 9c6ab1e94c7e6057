"""Pascal VOC: one XML file per image, and two PNGs, of classes and of objects.

If the XML is in a folder ``Annotations``, the PNGs go to ``SegmentationClass`` and
``SegmentationObject`` beside that folder, the image, if it is known, to ``JPEGImages``, and
``labelmap.txt`` lists the classes and their colours.
Otherwise the PNGs are beside the XML, as ``NAME_class.png`` and ``NAME_object.png``. The PNGs have
VOC's palette; if a number is above 254 (VOC uses 255 for "void"), they have 16 bits and no palette.
Boxes are counted from 1, as in VOC. Ids are never changed: the value of an object in its PNG is its
id, which the XML repeats. Of overlapping masks, only the visible parts are kept.

As prompts, the boxes are read, also where there are no PNGs.
"""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError, OutputError
from anymask.files import write_together
from anymask.io.dataset_images import image_beside
from anymask.io.guards import read_text, read_xml
from anymask.io.label_images import masks_of_labels, read_png
from anymask.io.mask_file import MaskFile
from anymask.io.registry import MaskFormat
from anymask.io.write_context import WriteContext
from anymask.masks.labels import paint_labels, stacking_ids
from anymask.masks.mask_set import MaskSet
from anymask.notices import tell
from anymask.prompts.prompts import Prompts
from anymask.prompts.rows import Part, collected

ANNOTATIONS, _IMAGES = "Annotations", "JPEGImages"
_MAP = "labelmap.txt"
_ROOT = "annotation"
_ELEMENT = re.compile(r"<([A-Za-z][\w.:-]*)")
_NO_CLASS = "object"
_BACKGROUND = "background"
_SIDES = ("xmin", "ymin", "xmax", "ymax")
_VOID = 255
_MOST_ID = np.iinfo(np.uint16).max


def save(path: Path, masks: MaskSet, context: WriteContext) -> list[Path]:
    """Write the XML, both PNGs and, in a folder ``Annotations``, the list of classes.

    Raises
    ------
    OutputError
        If an id is above 65,535, a name cannot be in XML, or the existing list of classes differs
        and may not be overwritten.
    """
    if (largest := int(masks.ids.max(initial=0))) > _MOST_ID:
        raise OutputError(
            f"Pascal VOC stores ids up to {_MOST_ID:,}, but one of these is {largest:,}; write "
            "COCO or a TIFF, because anymask never changes ids."
        )
    places = png_paths(path)
    for place in places[:2]:
        if place.exists() and not context.overwrite:
            raise OutputError(
                f"{place} exists already; choose another name, or replace it with --overwrite "
                "(overwrite=True in Python)."
            )
    known = _read_map(places[2]) if places[2] is not None and places[2].is_file() else None
    classes = _classes_for(masks, context, known)
    numbers = [classes.index(name or _NO_CLASS) + 1 for name in _names(masks)]
    labels = masks.to_labels()
    order = np.argsort(stacking_ids(masks.areas, masks.predicted_iou))
    of_class = paint_labels(masks.counts, numbers, masks.image_size, order)
    picture: dict[Path, bytes] = {}
    if places[2] is not None:
        inside = path.relative_to(places[2].with_name(ANNOTATIONS)).with_suffix("")
        name, picture = image_beside(context, places[2].with_name(_IMAGES) / inside)
        context = replace(context, image_name=name or context.image_name)
    files = {
        **picture,
        path: _xml(masks, context),
        places[0]: _png(of_class),
        places[1]: _png(labels),
    }
    if places[2] is not None and known != classes:
        ours = known is not None and read_text(places[2]) == _map(known)
        longer = known is not None and classes[: len(known)] == known
        if known is not None and not context.overwrite and not (ours and longer):
            new = next((name for name in classes if name not in known), classes[0])
            raise OutputError(
                f"{places[2]} has other classes than these masks, for example {new!r}; add them "
                "there in the same order, or replace it with --overwrite (Python: overwrite=True)."
            )
        files[places[2]] = _map(classes).encode("utf-8")
    return write_together(files)


def load(file: MaskFile) -> MaskSet:
    """Read an XML file and its PNG of objects."""
    path = file.path
    root = _root(path)
    png = png_paths(path)[1]
    if not png.is_file():
        raise ImageError(
            f"{path} has only boxes; its masks should be in {png}, which does not exist, so copy "
            "it too, or make masks of the boxes with 'anymask segment IMAGES --prompts FILE'."
        )
    labels, indexed, _ = read_png(png)
    objects = root.findall("object")
    ours = all(o.find("instance") is not None for o in objects)
    if indexed and not (ours and objects):
        labels[labels == _VOID] = 0
    classes = [_class_of(o) for o in objects]
    ids = (
        [int(o.findtext("instance") or 0) for o in objects] if ours else range(1, len(objects) + 1)
    )
    class_of = dict(zip(ids, classes, strict=True))
    masks = masks_of_labels(png, labels, class_of, every_id=ours)
    return masks if any(masks.class_names or ()) else masks_of_labels(png, labels, {})


def read_prompts(file: MaskFile) -> Prompts:
    """Read the boxes."""
    root = _root(file.path)
    image = root.findtext("filename") or ""
    parts = []
    for number, node in enumerate(root.findall("object"), start=1):
        if (box := node.find("bndbox")) is None:
            tell(f"Object {number} of {file.path} has no box and is left out.")
            continue
        left, top, right, bottom = (float(box.findtext(side) or "nan") for side in _SIDES)
        # Pixels are counted from 1, and the box includes the last one.
        corners = [(left - 1.5, top - 1.5), (right - 0.5, bottom - 0.5)]
        key, name = node.findtext("instance"), _class_of(node)
        parts.append(Part(corners, key=key, class_name=name, image=image))
    size = [int(float(root.findtext(f"size/{side}") or 0)) for side in ("height", "width")]
    sizes = {image: (float(size[0]), float(size[1])) if all(size) else None}
    return collected(parts, image_sizes=sizes, one_box=True)


def _root(path: Path) -> ElementTree.Element:
    root = read_xml(path)
    if root.tag != _ROOT:
        raise ImageError(f"{path} is XML, but not a Pascal VOC annotation.")
    return root


def _class_of(node: ElementTree.Element) -> str:
    return (node.findtext("name") or "") if node.find("unnamed") is None else ""


def png_paths(path: Path) -> tuple[Path, Path, Path | None]:
    """Paths of the class PNG, the object PNG and the list of classes for an XML file."""
    for folder in path.parents:
        if folder.name == ANNOTATIONS:
            inner = path.relative_to(folder).with_suffix(".png")
            root = folder.parent
            places = (root / "SegmentationClass" / inner, root / "SegmentationObject" / inner)
            return *places, root / _MAP
    return path.with_name(f"{path.stem}_class.png"), path.with_name(f"{path.stem}_object.png"), None


def palette() -> NDArray[np.uint8]:
    """VOC's colours (256, 3): bits of a number are spread over red, green and blue in turn.

    Examples
    --------
    >>> palette()[[0, 1, 2, 3, 8, 255]].tolist()
    [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [64, 0, 0], [224, 224, 192]]
    """
    numbers = np.arange(256)
    colours = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            level = (numbers >> (3 * bit + channel)) & 1
            colours[:, channel] |= (level << (7 - bit)).astype(np.uint8)
    return colours


def _names(masks: MaskSet) -> tuple[str, ...]:
    return masks.class_names or ("",) * len(masks)


def _lacks(folder: Path) -> str | None:
    """What a data set still needs for training."""
    if (folder / _IMAGES).is_dir():
        return None
    return f"To train on this data set, put the images into {folder / _IMAGES}."


def _classes_for(masks: MaskSet, context: WriteContext, known: list[str] | None) -> list[str]:
    classes = context.classes_of(masks)
    if known is not None and (context.class_names is None or known[: len(classes)] == classes):
        classes = [*known, *(name for name in classes if name not in known)]
    if not all(_names(masks)) and _NO_CLASS not in classes:
        classes = [*classes, _NO_CLASS]
    return classes


def _xml(masks: MaskSet, context: WriteContext) -> bytes:
    height, width = masks.image_size
    root = ElementTree.Element(_ROOT)
    _add(root, "folder", _IMAGES)
    _add(root, "filename", context.image_name)
    size = ElementTree.SubElement(root, "size")
    for tag, value in (("width", width), ("height", height), ("depth", 3)):
        _add(size, tag, value)
    _add(root, "segmented", 1)
    for index in np.argsort(masks.ids):
        name = _names(masks)[index]
        node = ElementTree.SubElement(root, "object")
        _add(node, "name", name or _NO_CLASS)
        if not name:
            _add(node, "unnamed", 1)
        for tag, text in (("pose", "Unspecified"), ("truncated", 0), ("difficult", 0)):
            _add(node, tag, text)
        _add(node, "instance", masks.ids[index])
        if masks.areas[index]:
            box = ElementTree.SubElement(node, "bndbox")
            sides = (masks.boxes[index] + 1).tolist()
            for tag, side in zip(_SIDES, sides, strict=True):
                _add(box, tag, side)
    ElementTree.indent(root)
    return ElementTree.tostring(root, "utf-8", xml_declaration=True)


def _add(parent: ElementTree.Element, tag: str, value: object) -> None:
    text = str(value)
    if any(
        letter < " " or letter in "\ufffe\uffff" or "\ud800" <= letter < "\ue000" for letter in text
    ):
        raise OutputError(f"The name {text!r} has characters that XML cannot hold; rename it.")
    ElementTree.SubElement(parent, tag).text = text


def _png(numbers: NDArray[np.unsignedinteger]) -> bytes:
    from PIL import Image as Pillow

    file = io.BytesIO()
    if numbers.max(initial=0) < _VOID:
        image = Pillow.fromarray(numbers.astype(np.uint8))
        image.putpalette(palette().tobytes())
    else:
        image = Pillow.fromarray(numbers.astype(np.uint16))
    image.save(file, format="PNG")
    return file.getvalue()


def _map(classes: list[str]) -> str:
    colours = palette()
    rows = [_BACKGROUND, *classes]
    lines = (f"{name}:{','.join(map(str, colours[i % 256]))}::\n" for i, name in enumerate(rows))
    return "# label:color_rgb:parts:actions\n" + "".join(lines)


def _read_map(path: Path) -> list[str]:
    lines = [line for line in read_text(path).splitlines() if line and not line.startswith("#")]
    names = [line.rsplit(":", 3)[0] for line in lines]
    return names[1:] if names[:1] == [_BACKGROUND] else names


def _sniff(file: MaskFile) -> bool:
    """Whether it is XML with the right root element, as far as the beginning shows."""
    root = _ELEMENT.search(file.text)
    return file.text.startswith("<") and (root is None or root[1] == _ROOT)


FORMAT = MaskFormat(
    name="voc",
    title="Pascal VOC",
    suffixes=(".xml",),
    write=save,
    read=load,
    read_prompts=read_prompts,
    dataset_images=_IMAGES,
    sniff=_sniff,
    dataset_folder=ANNOTATIONS,
    dataset_lacks=_lacks,
    keeps_images=True,
    companions=(_MAP, "_class.png", "_object.png"),
    keeps_overlaps=False,
)
