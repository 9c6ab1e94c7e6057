"""ImageJ ROIs: a zip file for the ROI Manager, with one ROI per mask, including holes and parts.

A mask with one part and no holes is a traced ROI with integer corners. Others are composite ROIs.
ROIs are named "0007" or "0007-cell". Id, class and image size are stored as ROI properties, so that
they survive reading.

As prompts, each point is an object of its own, also of the multi-point tool, which counts objects;
an area gives the box around it.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError, OutputError
from anymask.files import whole_file
from anymask.io.guards import check_size, needs, open_zip
from anymask.io.mask_file import MaskFile
from anymask.io.registry import MaskFormat
from anymask.io.write_context import WriteContext
from anymask.masks.mask_set import MaskSet
from anymask.masks.polygons import Polygon, fill_polygons, outlines, simplified
from anymask.notices import tell
from anymask.prompts.prompts import Prompts
from anymask.prompts.rows import Part, collected

_ROI = ".roi"
_KEY = "anymask"
_LARGEST_INTEGER = 32_767  # ImageJ's integers have 16 bits
_MOVE, _LINE, _CLOSE = 0.0, 1.0, 4.0  # commands of a composite ROI's path
# A fixed time, so that the same masks give the same bytes.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


def save(path: Path, masks: MaskSet, context: WriteContext) -> list[Path]:
    """Write a zip file with one ROI per mask; masks without pixels are left out."""
    roifile = needs("roifile", "formats", "Writing ImageJ ROIs", OutputError)
    digits = max(4, len(str(masks.ids.max(initial=0))))
    rois = {}
    for index, polygons in outlines(masks):
        id_ = int(masks.ids[index])
        name = masks.class_names[index] if masks.class_names else ""
        polygons = [
            [simplified(ring, context.simplify) for ring in polygon] for polygon in polygons
        ]
        roi = _roi(roifile, polygons)
        # ImageJ's names have 16 bits per character.
        shown = "".join(letter if ord(letter) < 2**16 else "?" for letter in name)
        roi.name = f"{id_:0{digits}d}-{shown}" if name else f"{id_:0{digits}d}"
        height, width = masks.image_size
        notes = {"id": id_, "class": name, "height": height, "width": width}
        roi.props = f"{_KEY}: {json.dumps(notes)}\n"
        rois[id_] = roi.tobytes()
    with whole_file(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.comment = json.dumps({_KEY: masks.image_size}).encode("ascii")
        for id_ in sorted(rois):
            member = zipfile.ZipInfo(f"{id_:0{digits}d}{_ROI}", _NO_TIME)
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, rois[id_])
    return [path]


def load(file: MaskFile) -> MaskSet:
    """Read a zip file of ROIs, or a single ROI."""
    rois, size = _members(file)
    return _masks(list(rois.values()), list(rois), file.image_size or size, file.path)


def read_prompts(file: MaskFile) -> Prompts:
    """Read points, each an object of its own, and the boxes around areas."""
    roifile = needs("roifile", "formats", "Reading ImageJ ROIs")
    rois, size = _members(file)
    parts = []
    for name, content in rois.items():
        roi = roifile.ImagejRoi.frombytes(content)
        notes = _notes(roi) or {"id": None, "class": ""}
        if roi.roitype == roifile.ROI_TYPE.POINT:
            # (0, 0) is the centre of the first pixel for points, and its corner for areas.
            parts += [Part(points=[point]) for point in np.asarray(roi.coordinates()).tolist()]
        elif _is_area(roifile, roi):
            corners = np.concatenate(_rings(roi)) - 0.5
            parts.append(Part(corners, key=notes["id"], class_name=notes["class"]))
        else:
            kind = roi.roitype.name.lower()
            tell(f"The ROI {name} is a {kind}, neither a point nor an area, and is left out.")
    return collected(parts, image_sizes={"": size})


def _members(file: MaskFile) -> tuple[dict[str, bytes], tuple[int, int] | None]:
    """The ROIs in a file by their names, and the size of the image if anymask wrote it."""
    if file.members is None:
        return {file.path.name: file.path.read_bytes()}, None
    names = [name for name in file.members if name.lower().endswith(_ROI)]
    with open_zip(file.path) as archive:
        return {name: archive.read(name) for name in names}, _size_in(archive.comment)


def _roi(roifile: Any, polygons: Sequence[Polygon]) -> Any:
    rings = [ring for polygon in polygons for ring in polygon]
    largest = max(ring.max() for ring in rings)
    whole = all(np.array_equal(ring, np.round(ring)) for ring in rings)
    if len(rings) == 1 and largest <= _LARGEST_INTEGER and whole:
        roi = roifile.ImagejRoi.frompoints(rings[0].astype(np.int32))
        roi.roitype = roifile.ROI_TYPE.TRACED
        return roi
    roi = roifile.ImagejRoi()
    roi.roitype = roifile.ROI_TYPE.RECT
    corners = np.concatenate(rings)
    roi.left, roi.top = (int(v) for v in np.minimum(np.floor(corners.min(0)), _LARGEST_INTEGER))
    roi.right, roi.bottom = (int(v) for v in np.minimum(np.ceil(corners.max(0)), _LARGEST_INTEGER))
    steps = []
    for ring in rings:
        drawn = np.column_stack([np.full(len(ring), _LINE), ring])
        drawn[0, 0] = _MOVE
        steps += [drawn.reshape(-1), np.array([_CLOSE])]
    roi.multi_coordinates = np.concatenate(steps).astype(np.float32)
    roi.shape_roi_size = len(roi.multi_coordinates)
    return roi


def _masks(
    files: Sequence[bytes], names: Sequence[str], image_size: tuple[int, int] | None, path: Path
) -> MaskSet:
    roifile = needs("roifile", "formats", "Reading ImageJ ROIs")
    rois = []
    for file, name in zip(files, names, strict=True):
        roi = roifile.ImagejRoi.frombytes(file)
        if _is_area(roifile, roi):
            rois.append(roi)
        else:
            kind = roi.roitype.name.lower()
            tell(f"The ROI {name} is a {kind}, which covers no pixels, and is left out.")
    if files and not rois:
        raise ImageError(f"{path} has only points and lines, which cover no pixels; draw areas.")
    notes = [_notes(roi) for roi in rois]
    if image_size is None:
        sizes = {(note["height"], note["width"]) for note in notes if note}
        if len(sizes) != 1 or None in notes:
            raise ImageError(
                f"{path} does not say how large the image is; give its size (height, width)."
            )
        image_size = sizes.pop()
    size = check_size(*image_size)
    counts = [fill_polygons([_rings(roi)], size) for roi in rois]
    ids = [note["id"] if note else 0 for note in notes]
    if min(ids, default=1) < 1 or len(set(ids)) < len(ids):
        ids = list(range(1, len(ids) + 1))
    classes = [note["class"] if note else "" for note in notes]
    return MaskSet.from_counts(
        size, counts, object_ids=ids, class_names=classes if any(classes) else None
    )


def _size_in(comment: bytes) -> tuple[int, int] | None:
    """The image size in the comment of a zip file written by anymask."""
    try:
        height, width = json.loads(comment)[_KEY]
        return int(height), int(width)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _notes(roi: Any) -> dict[str, Any] | None:
    """The properties that anymask wrote into a ROI; None for other programs' ROIs."""
    for line in (roi.props or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == _KEY:
            try:
                notes = json.loads(value)
                return {
                    "id": int(notes["id"]),
                    "class": str(notes["class"]),
                    "height": int(notes["height"]),
                    "width": int(notes["width"]),
                }
            except (ValueError, KeyError, TypeError, RecursionError):
                return None
    return None


def _is_area(roifile: Any, roi: Any) -> bool:
    """Whether a ROI covers pixels, as lines and points do not."""
    kinds = roifile.ROI_TYPE
    return roi.roitype in (kinds.POLYGON, kinds.FREEHAND, kinds.TRACED, kinds.RECT, kinds.OVAL)


def _rings(roi: Any) -> list[NDArray[Any]]:
    """The outlines of a ROI; holes of a composite ROI are further outlines."""
    if roi.composite:
        return [np.asarray(ring) for ring in roi.coordinates(multi=True)]
    return [np.asarray(roi.coordinates())]


def _sniff(file: MaskFile) -> bool:
    """Whether it is a ROI or a zip file of ROIs; an empty zip is an image without masks."""
    if file.members is None:
        return file.start.startswith(b"Iout")
    return not file.members or any(name.lower().endswith(_ROI) for name in file.members)


FORMAT = MaskFormat(
    name="imagej",
    title="ImageJ ROIs",
    suffixes=(".zip",),
    read_suffixes=(_ROI,),
    write=save,
    read=load,
    read_prompts=read_prompts,
    sniff=_sniff,
    ending=".rois.zip",
    keeps_empty=False,
)
