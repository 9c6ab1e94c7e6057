"""HDF5 files and NetCDF 4, read by h5py: one dataset of a file, read piece by piece."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError
from anymask.images.chunks import chunked_array
from anymask.images.handle import Handle
from anymask.images.image import Image
from anymask.images.lazy import Box, LazyArray
from anymask.images.memory import check_fits
from anymask.images.units import wavelengths_in_nm
from anymask.io.arrays import axes_called, axes_for, name_of, nodata_in, pick_dataset
from anymask.io.guards import needs
from anymask.io.registry import ImageFormat
from anymask.notices import tell

WAVELENGTHS = ("wavelength", "wavelengths", "lambda", "wl")
"""Names of wavelength lists, in upper or lower case."""

_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def read(path: Path, *, dataset: str | None = None, axes: str | None = None) -> Image:
    """Open a dataset; its values are read when needed.

    Axes are taken from dimension labels or an attribute ``axes`` or ``axistags``, wavelengths from
    an attribute of the dataset or a list named ``wavelength``, ``wavelengths``, ``lambda`` or
    ``wl`` in the file, the pixel size from ``element_size_um``, and "no data" from ``_FillValue``
    and its like.

    Parameters
    ----------
    path
        The file.
    dataset
        Which of several datasets, as in "scan/reflectance".
    axes
        The axes, if the file does not name them.

    Raises
    ------
    ImageError
        If the file is damaged, has no such dataset, or has several and none was chosen.
    """
    with path.open("rb") as file:
        classic = file.read(3) == b"CDF"
    if classic:
        raise ImageError(
            f"{path} is NetCDF 3 (classic), which anymask does not read; convert it, for example "
            "with nccopy -k nc4 old.nc new.nc."
        )
    return read_file(path, dataset, axes, matlab=False)


def is_hdf5(path: Path) -> bool:
    """Whether a file begins like HDF5; MATLAB files have 512 bytes before that."""
    with path.open("rb") as file:
        start = file.read(520)
    return start.startswith(_SIGNATURE) or start[512:] == _SIGNATURE


def read_file(path: Path, dataset: str | None, axes: str | None, *, matlab: bool) -> Image:
    """Like `read`; MATLAB files store types in attributes and axes in reverse order."""
    h5py = needs("h5py", "formats", f"Reading {path}")
    handle: Handle[Any] = Handle(partial(h5py.File, str(path), "r"))
    with handle.use() as file:
        found: dict[str, Any] = {}
        file.visititems(
            lambda name, node: found.update({name: node}) if _is_numeric(node) else None
        )
        shapes = {name: _shape(node, matlab) for name, node in found.items()}
        images = [name for name, shape in shapes.items() if sum(n > 1 for n in shape) >= 2]
        name = pick_dataset(path, shapes, dataset, images)
        node = found[name]
        if node.chunks:  # reading one value unpacks its whole chunk
            advice = "save it in smaller chunks"
            check_fits(node.chunks, node.dtype.itemsize, f"A chunk of {path}", advice)
        reader, source = partial(_read_box, handle, name), f"{path} ({name})"
        if node.chunks:
            array = chunked_array(reader, node.shape, node.dtype, source, node.chunks)
        else:
            array = LazyArray(reader, node.shape, node.dtype, source)
        if matlab:
            array = array.transpose(range(node.ndim)[::-1])
            if _matlab_class(node) == "logical":
                array = array.map(_as_bool, bool)
        wavelengths = _wavelengths(node, found, array.shape)
        count = None if wavelengths is None else len(wavelengths)
        named = (None if axes else _labels(node)) or axes_for(
            array.shape, array.dtype, axes, path, count
        )
        attributes = {key: _plain(node.attrs[key]) for key in node.attrs}
        metadata: dict[str, Any] = {
            "format": "MATLAB" if matlab else "HDF5",
            "dataset": name,
            "attributes": attributes,
        }
        for key, none in (("scale_factor", 1.0), ("add_offset", 0.0)):
            number = np.ravel(node.attrs.get(key, none))
            if number.size == 1 and number.dtype.kind in "uif" and number[0] != none:
                tell(f"{path} has {key} {number[0]:g}, which is not applied: values are as stored.")
        nodata = nodata_in(attributes, array.dtype)
        if nodata is not None:
            metadata["nodata"] = nodata
        image = Image(array, named, path=path, name=name_of(path), metadata=metadata)
        return with_wavelengths(_with_size(image), wavelengths)


def with_wavelengths(image: Image, wavelengths: NDArray[np.float64] | None) -> Image:
    """Add wavelengths if there is one for each channel."""
    if wavelengths is None or "C" not in image.axes or len(wavelengths) != image.n_channels:
        return image
    return replace(image, wavelengths=wavelengths)


def _read_box(handle: Handle[Any], name: str, box: Box) -> NDArray[Any]:
    with handle.use() as file:
        return np.asarray(file[name][box])


def _as_bool(values: NDArray[Any]) -> NDArray[np.bool_]:
    return values != 0


def _is_numeric(node: Any) -> bool:
    dtype = getattr(node, "dtype", None)
    return (
        dtype is not None
        and getattr(node, "shape", None) is not None  # an empty dataset has none
        and dtype.kind in "buifc"
        and _matlab_class(node) != "char"
        and not node.name.startswith("/#")  # where MATLAB stores the contents of cells
    )


def _matlab_class(node: Any) -> str:
    return str(_plain(node.attrs.get("MATLAB_class", "")))


def _shape(node: Any, matlab: bool) -> tuple[int, ...]:
    return tuple(node.shape[::-1] if matlab else node.shape)


def _plain(value: Any) -> Any:
    """Convert an attribute to Python types: text to str, arrays of one value to that value."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, list):
        items = [_plain(item) for item in value]
        return items[0] if len(items) == 1 else items
    return value


def _labels(node: Any) -> str | None:
    """The axes named by the dataset, if it names all of them."""
    named: Iterable[Any] = [dim.label for dim in node.dims]
    if not all(named) and "axistags" in node.attrs:  # ilastik's
        try:
            named = [axis["key"] for axis in json.loads(_plain(node.attrs["axistags"]))["axes"]]
        except (ValueError, KeyError, TypeError):
            named = []
    elif not all(named):
        text = _plain(node.attrs.get("axes", ""))
        named = text if isinstance(text, (str, list)) else ""
    return axes_called(named, node.ndim)


def _wavelengths(
    node: Any, found: dict[str, Any], shape: tuple[int, ...]
) -> NDArray[np.float64] | None:
    lists = [
        (node.attrs[key], _unit(node.attrs)) for key in node.attrs if key.lower() in WAVELENGTHS
    ]
    lists += [
        (other[...], _unit(other.attrs))
        for name, other in found.items()
        if name.rsplit("/", 1)[-1].lower() in WAVELENGTHS and other.size in shape
    ]
    for values, unit in lists:
        numbers = np.asarray(values)
        if numbers.dtype.kind in "uif" and numbers.size in shape and numbers.size > 1:
            return wavelengths_in_nm(numbers, unit)
    return None


def _unit(attributes: Any) -> str | None:
    for key in attributes:
        if key.lower().replace("_", " ") in (
            "wavelength unit",
            "wavelength units",
            "unit",
            "units",
        ):
            return str(_plain(attributes[key]))
    return None


def _with_size(image: Image) -> Image:
    """Add the pixel size in µm (z, y, x) that ilastik and ImageJ plugins write."""
    size = image.metadata["attributes"].get("element_size_um")
    if not isinstance(size, list) or len(size) != 3 or not all(n and n > 0 for n in size):
        return image
    z, y, x = map(float, size)
    return replace(image, pixel_size=(y, x), z_step=z if "Z" in image.axes else None, unit="µm")


FORMAT = ImageFormat(
    name="HDF5",
    suffixes=(".h5", ".hdf5", ".he5", ".nc", ".nc4"),
    read=read,
    options=frozenset({"dataset", "axes"}),
)
