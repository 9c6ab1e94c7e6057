"""OME-Zarr labels (NGFF 0.4): a chunked label image with its pyramid.

A path inside an image, such as ``image.zarr/labels/cells``, adds the label image to the image's
list of labels. Any other path makes a folder of its own, which viewers open too. Class names are
properties of the labels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from anymask.errors import ImageError, OutputError
from anymask.files import output_error, whole_folder, write_together
from anymask.images.image import Image
from anymask.images.memory import check_fits
from anymask.io.guards import check_size, needs
from anymask.io.label_images import masks_of_labels
from anymask.io.label_pyramid import PLACE, create
from anymask.io.mask_file import MaskFile
from anymask.io.registry import MaskFormat
from anymask.io.write_context import WriteContext
from anymask.masks.mask_set import MaskSet

_LABELS = "labels"
_METADATA = (".zarray", "zarr.json")
# Codecs for the bytes of a chunk. A file may name others; one of them, pickle, would execute code
# from the file.
_SAFE_CODECS = {
    "blosc", "zlib", "gzip", "zstd", "lz4", "bz2", "lzma", "delta", "shuffle", "packbits",
    "fixedscaleoffset", "astype", "crc32", "crc32c", "adler32", "bytes", "transpose",
    "sharding_indexed",
}  # fmt: skip


def save(path: Path, masks: MaskSet, context: WriteContext) -> list[Path]:
    """Write the label image as a Zarr folder (version 2).

    Raises
    ------
    OutputError
        If zarr is not installed, the folder cannot be written, or it would replace a folder that is
        not a label image.
    """
    if path.exists() and "image-label" not in _attributes_in(path):
        raise OutputError(
            f"{path} is not an OME-Zarr label image and is not replaced; to add labels to an "
            "image, give a path such as image.zarr/labels/cells."
        )
    zarr = needs("zarr", "formats", "Writing OME-Zarr", OutputError)
    level = masks.to_labels()
    # Write to memory first: Zarr writes files in threads, and some continue after one has failed.
    files: dict[str, Any] = {}
    for array in create(zarr.storage.MemoryStore(files), level.dtype, masks, context):
        array[:] = level
        level = level[::2, ::2]
    with whole_folder(path) as part:
        for name, content in files.items():
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            (part / name).write_bytes(content.to_bytes())
    if path.parent.name == _LABELS:
        _enlist(path)
    return [path]


def load(file: MaskFile) -> MaskSet:
    """Read a label image folder, or the only label image of an image."""
    needs("zarr", "formats", "Reading OME-Zarr")
    from anymask.io.image_formats import zarr_store

    path = _label_image_of(file.path)
    _check_codecs(path)
    image = zarr_store.read(path, level=0)
    if image.axes != "YX" or image.dtype.kind not in "bui":
        raise ImageError(
            f"{path} is not a label image: it has {image.dtype} with axes {image.axes}, but one "
            "whole number per pixel is needed."
        )
    check_size(image.height, image.width)
    check_fits(image.shape, image.dtype.itemsize, str(path), "cut it into smaller images")
    properties = _attributes_in(path).get("image-label", {}).get("properties") or []
    class_of = {
        int(row["label-value"]): str(row["class"])
        for row in properties
        if isinstance(row, Mapping) and row.get("class")
    }
    return masks_of_labels(path, image.numpy(), class_of)


def is_zarr(path: Path) -> bool:
    """Whether a folder is a Zarr store."""
    return any((path / name).is_file() for name in (".zgroup", ".zattrs", ".zarray", "zarr.json"))


def _check_codecs(path: Path) -> None:
    """Refuse a Zarr folder that uses a codec not known to be safe.

    Raises
    ------
    ImageError
        With the name of the codec.
    """
    for place in (p for name in _METADATA for p in path.rglob(name)):
        for codec in _codecs_in(json.loads(place.read_text(encoding="utf-8"))):
            if codec.removeprefix("numcodecs.").lower() not in _SAFE_CODECS:
                raise ImageError(
                    f"{path} uses the codec {codec[:40]!r}, which is not known to be safe; save it "
                    "again with Blosc, Zstandard or gzip."
                )


def _codecs_in(metadata: Any) -> list[str]:
    """Names of all codecs in the metadata of an array, in version 2 or 3."""
    if not isinstance(metadata, Mapping):
        return []
    found = [metadata.get("compressor"), *(metadata.get("filters") or [])]
    names = [str(codec.get("id")) for codec in found if isinstance(codec, Mapping)]
    for codec in metadata.get("codecs") or []:
        inner = codec.get("configuration") if isinstance(codec, Mapping) else None
        names.append(str(codec.get("name") if isinstance(codec, Mapping) else codec))
        names += _codecs_in(inner)
        names += _codecs_in({"codecs": (inner or {}).get("index_codecs")})
    return names


def _enlist(path: Path) -> None:
    """Add a label image to its image's list of labels."""
    folder = path.parent
    try:
        attributes = _attributes_in(folder)
    except ValueError as error:
        raise ImageError(f"{folder / '.zattrs'} is damaged ({error}); restore it.") from error
    except OSError as error:
        raise output_error(folder, error) from error
    names = list(attributes.get(_LABELS) or [])
    if path.name not in names:
        attributes[_LABELS] = [*names, path.name]
        write_together(
            {
                folder / ".zattrs": json.dumps(attributes).encode(),
                folder / ".zgroup": json.dumps({"zarr_format": 2}).encode(),
            }
        )


def _label_image_of(path: Path) -> Path:
    """The folder of a label image: this one, or the only labels of an image."""
    attributes = _attributes_in(path)
    names = attributes.get(_LABELS)
    if "image-label" in attributes:
        return path
    if names is None and (path / _LABELS).is_dir():
        path = path / _LABELS
        names = _attributes_in(path).get(_LABELS)
    if not names:
        return path
    if len(names) > 1:
        raise ImageError(
            f"{path} has {len(names)} label images, {', '.join(map(str, names))[:100]}; give the "
            "path of one."
        )
    inner = (path / str(names[0])).resolve()
    if not inner.is_relative_to(path.resolve()):
        raise ImageError(f"{path} lists labels outside itself, {str(names[0])[:60]!r}; correct it.")
    return inner


def _attributes_in(path: Path) -> dict[str, Any]:
    """The attributes of a group, in Zarr version 2 or 3."""
    for name, keys in ((".zattrs", ()), ("zarr.json", ("attributes", "ome"))):
        place = path / name
        if place.is_file():
            found = json.loads(place.read_text(encoding="utf-8"))
            for key in keys:
                found = found.get(key, {})
            return dict(found)
    return {}


def _sniff(file: MaskFile) -> bool:
    return is_zarr(file.path)


def _scale(path: Path) -> Image:
    from anymask.io.image_formats import zarr_store

    path = _label_image_of(path)
    _check_codecs(path)
    image, place = zarr_store.read(path), _attributes_in(path).get(PLACE)
    if not isinstance(place, Mapping):
        return image
    transform = tuple(float(number) for number in place["transform"])
    return replace(image, geo={"transform": transform, "crs": str(place["crs"])})


FORMAT = MaskFormat(
    name="zarr",
    title="OME-Zarr labels",
    suffixes=(".zarr",),
    write=save,
    read=load,
    sniff=_sniff,
    scale=_scale,
    ending=".labels.zarr",
    is_folder=True,
    is_label_image=True,
    keeps_overlaps=False,
    keeps_empty=False,
)
