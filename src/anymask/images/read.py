"""Picture files to ``uint8`` RGB arrays, and lists of picture files from what a user names."""

from __future__ import annotations

import glob
import logging
import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from anymask.errors import ImageError
from anymask.images.normalize import to_rgb

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".npy")
"""File names that :func:`read_rgb` reads and :func:`list_images` finds in folders."""

MAX_PIXELS = 178_956_970
"""Files that would unpack to more pixels than this are refused unread (Pillow's own limit)."""

# Without a handler of the application's own, tifffile's remarks on damage would go to stderr
# beside the one sentence raised here.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

# Named, so that a file's content never picks one of Pillow's many other decoders.
_PILLOW_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF")
# Modes whose arrays are pictures as they stand; Pillow converts all others (palettes, CMYK, …).
_PILLOW_MODES = ("1", "L", "RGB", "I", "F", "I;16", "I;16L", "I;16B", "I;16N")


def read_rgb(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Read a picture file as ``uint8`` RGB, upright.

    PNG, JPEG, BMP, WebP, TIFF and NumPy's NPY. A camera's EXIF orientation is applied, palettes
    and CMYK become RGB, alpha is dropped; 16-bit and float pictures are stretched as
    :func:`anymask.to_rgb` does by default.

    Parameters
    ----------
    path
        A file with one of the suffixes in ``SUFFIXES``, in upper or lower case.

    Returns
    -------
    numpy.ndarray
        ``uint8`` array H×W×3.

    Raises
    ------
    ImageError
        The file is missing, of an unknown kind, damaged, holds several pictures, or would unpack
        to more than ``MAX_PIXELS``.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/ramp.npy", np.array([[0.0, 0.5, 1.0]]))
    ...     read_rgb(f"{folder}/ramp.npy")[..., 0]
    array([[  0, 128, 255]], dtype=uint8)
    """
    path = Path(path)
    if path.is_dir():
        raise ImageError(f"{path} is a folder, not a picture; name the pictures in it one by one.")
    if not path.is_file():
        raise ImageError(f"There is no file {path}; check the name and the folder.")
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise _unknown_suffix(path)
    if path.stat().st_size == 0:
        raise ImageError(f"{path} is empty (0 bytes); copy or download it again.")
    try:
        if suffix == ".npy":
            array = _read_npy(path)
        elif suffix in (".tif", ".tiff"):
            array = _read_tiff(path)
        else:
            array = _read_with_pillow(path)
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(path) from error
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{path} is not a picture of a kind that anymask reads, whatever its name says; open "
            "it in another program and save it as PNG."
        ) from error
    except Exception as error:
        # Decoders meet damage with errors of many types, down to struct.error and IndexError.
        reason = str(error).strip().rstrip(".").split("\n")[0] or type(error).__name__
        raise ImageError(
            f"{path} cannot be read as a picture ({reason}); it may be damaged or unfinished, so "
            "copy or save it again."
        ) from error
    try:
        return np.array(to_rgb(array))
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error


def list_images(
    inputs: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
) -> list[Path]:
    """Expand files, folders and patterns to the picture files that they mean.

    Parameters
    ----------
    inputs
        One or several of: a picture file; a folder, which stands for the pictures directly in
        it; a pattern with ``*``, ``?``, ``[…]`` or ``**``.

    Returns
    -------
    list of Path
        In the order of ``inputs``, those of one folder or pattern sorted by name, each file
        once. Hidden files in folders are left out.

    Raises
    ------
    ImageError
        An input does not exist, has a suffix that is not read, or holds no picture.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("b.png", "a.jpg", "notes.txt"):
    ...         Path(folder, name).touch()
    ...     [path.name for path in list_images(folder)]
    ['a.jpg', 'b.png']
    """
    if isinstance(inputs, (str, os.PathLike)):
        inputs = [inputs]
    found: dict[Path, None] = {}  # a set that keeps order
    for given in inputs:
        found.update(dict.fromkeys(_expand(given)))
    return list(found)


def _expand(given: str | os.PathLike[str]) -> list[Path]:
    path = Path(given)
    if path.is_dir():
        candidates = [p for p in path.iterdir() if not p.name.startswith(".")]
        what = f"the folder {path}"
    elif path.exists():  # also where its name looks like a pattern
        if path.suffix.lower() not in SUFFIXES:
            raise _unknown_suffix(path)
        return [path]
    elif glob.has_magic(str(path)):
        candidates = [Path(name) for name in glob.glob(str(path), recursive=True)]
        what = f"what {path} matches"
    else:
        raise ImageError(f"There is no file or folder {path}; check the name.")
    pictures = sorted(p for p in candidates if p.suffix.lower() in SUFFIXES and p.is_file())
    if not pictures:
        raise ImageError(f"There is no picture in {what}; those read are {', '.join(SUFFIXES)}.")
    return pictures


def _read_npy(path: Path) -> NDArray[Any]:
    try:
        # Mapped rather than read, so that a false shape in the header claims no memory.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        raise _not_npy(path) from error
    if not isinstance(array, np.ndarray):  # several arrays in a zip, whatever the suffix
        raise _not_npy(path)
    return array


def _not_npy(path: Path) -> ImageError:
    return ImageError(
        f"{path} is damaged or holds no array of numbers; write the picture again with numpy.save."
    )


def _read_with_pillow(path: Path) -> NDArray[Any]:
    # A file object, because by name Pillow maps plain gray TIFFs into memory, and then takes rows
    # for columns where the orientation is sideways.
    with warnings.catch_warnings(), path.open("rb") as file:
        # Pillow warns of large pictures; MAX_PIXELS decides here.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        image = Image.open(file, formats=_PILLOW_FORMATS)
        _check_pixels(path, image.width * image.height)
        upright = ImageOps.exif_transpose(image)
        return np.asarray(upright if upright.mode in _PILLOW_MODES else upright.convert("RGB"))


def _read_tiff(path: Path) -> NDArray[Any]:
    """Read the one picture of a TIFF file.

    Pillow knows 8-bit pictures in all their colour models and compressions, tifffile those of
    other depths; each stands in where the other gives up.
    """
    with tifffile.TiffFile(path) as tiff:
        series, page = tiff.series[0], tiff.pages.first
        axes, depth = series.axes.replace("S", "C"), page.bitspersample
        lengths = dict(zip(axes, series.shape, strict=True))
        pixels = lengths.pop("Y", 1) * lengths.pop("X", 1)
        channels = lengths.pop("C", 1)
        pages = int(np.prod(list(lengths.values()), dtype=np.int64))
        if pages > 1 or (len(tiff.series) > 1 and _is_full_size(tiff.series[1], page)):
            count = pages if pages > 1 else len(tiff.series)
            raise ImageError(
                f"{path} holds {count} pictures (axes {series.axes}, shape {series.shape}); save "
                "the one to segment as a file of its own, or pass it as an array to "
                "anymask.to_rgb."
            )
        _check_pixels(path, pixels)
        if depth <= 8 and channels == page.samplesperpixel:
            return _read_with_pillow(path)
        try:
            array = series.asarray()
        except ValueError:  # a compression that tifffile needs another package for
            return _read_with_pillow(path)
    # Channels last, other axes (all of length 1) dropped.
    order = [axes.index(axis) for axis in "YXC" if axis in axes]
    rest = [i for i in range(len(axes)) if i not in order]
    array = array.transpose(order + rest).reshape([array.shape[i] for i in order])
    if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
        array = np.negative(array) if array.dtype.kind == "f" else np.invert(array)
    return _upright(array, int(page.tags.valueof("Orientation", 1)))


def _upright(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Undo one of the eight orientations of TIFF and EXIF; unknown ones count as upright."""
    if orientation in (5, 6, 7, 8):  # rows are columns
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array


def _is_full_size(series: tifffile.TiffPageSeries, page: tifffile.TiffPage) -> bool:
    """Whether a further series is a picture of its own, not a thumbnail of the first."""
    return bool(np.prod(series.shape) >= np.prod(page.shape))


def _check_pixels(path: Path, pixels: int) -> None:
    if pixels > MAX_PIXELS:
        raise _too_large(path)


def _too_large(path: Path) -> ImageError:
    return ImageError(
        f"{path} says that it unpacks to more than {MAX_PIXELS:,} pixels, too many for one "
        "picture; cut or shrink it first."
    )


def _unknown_suffix(path: Path) -> ImageError:
    kind = f"the suffix {path.suffix}" if path.suffix else "no suffix"
    return ImageError(f"{path} has {kind}; pictures are read from {', '.join(SUFFIXES)}.")
