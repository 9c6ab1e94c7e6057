"""Read untrusted files safely: limited in size, nothing executed, one sentence if damaged."""

from __future__ import annotations

import importlib
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from anymask.errors import AnymaskError, ImageError
from anymask.images.lazy import damaged
from anymask.images.memory import available_memory
from anymask.notices import merged, noticing, tell

MOST_PIXELS = 2**32 - 1
"""At most this many pixels in an image with run-length masks: what one uint32 run can count."""

# Parsed JSON takes up to about this many times the memory of its text.
_JSON_GROWTH = 12
_MOST_MEMBERS = 1_000_000
_DEEPEST_XML = 100


@contextmanager
def reading(path: Path, what: str = "an image") -> Iterator[None]:
    """Turn a library's errors on damaged files into one sentence, and silence its warnings.

    Notices (`anymask.notices`) are shown afterwards, with the path.

    Parameters
    ----------
    path : Path
        The file, named in the message.
    what : str
        What the file is read as: "an image" or "masks".
    """
    with noticing() as notices:
        try:
            yield
        except AnymaskError as error:
            if path.name in str(error):
                raise
            raise type(error)(f"{path}: {error}") from error
        except Exception as error:  # decoders raise many types of errors on damaged files
            raise damaged(path, error, what) from error
    for notice in merged(notices):
        tell(notice if path.name in notice else f"{path}: {notice}", stacklevel=5)


def check_size(height: Any, width: Any) -> tuple[int, int]:
    """Refuse anything but an image size that run lengths can hold.

    Raises
    ------
    AnymaskError
    """
    try:
        size = (int(height), int(width))
        exact = size == (height, width)
    except (TypeError, ValueError, OverflowError):
        exact, size = False, (0, 0)
    if not exact or min(size) < 1 or size[0] * size[1] > MOST_PIXELS:
        raise AnymaskError(
            f"An image cannot have {str(width)[:20]}×{str(height)[:20]} pixels: masks need a width "
            f"and a height of at least 1, and at most {MOST_PIXELS:,} pixels in all."
        )
    return size


def read_text(path: Path, growth: int = _JSON_GROWTH) -> str:
    """Read a text file if it fits into memory, once parsed.

    Raises
    ------
    ImageError
        If it is too large or not UTF-8.
    """
    _check_memory(path.stat().st_size * growth, path)
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ImageError(f"{path} is not UTF-8 text; save it again in that encoding.") from None


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises
    ------
    ImageError
        If it is too large, damaged or nested too deeply.
    """
    try:
        return json.loads(read_text(path))
    except RecursionError:
        raise ImageError(f"{path} is nested too deeply to be a file of masks.") from None
    except ValueError as error:
        reason = str(error).split("\n")[0].rstrip(".")
        raise ImageError(
            f"{path} is not valid JSON ({reason}); it may be damaged or unfinished, so copy or "
            "save it again."
        ) from None


def read_xml(path: Path) -> ElementTree.Element:
    """Read XML without entities; see `parse_xml`.

    Raises
    ------
    ImageError
        If it is too large, damaged, nested too deeply or declares a document type.
    """
    _check_memory(path.stat().st_size * _JSON_GROWTH, path)
    return parse_xml(path.read_bytes(), str(path))


def parse_xml(data: bytes, what: str) -> ElementTree.Element:
    """Parse XML without entities.

    A document with a document type, which could declare entities, is refused before any entity is
    expanded. Nothing outside the document is read.

    Parameters
    ----------
    data : bytes
    what : str
        Begins the sentences of errors, such as a path.

    Raises
    ------
    ImageError
        If it is damaged, nested too deeply or declares a document type.
    """
    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate()
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST_XML:
            raise ImageError(f"{what} is nested too deeply to be a file of masks.")
        builder.start(name, attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name)

    def doctype(*_: Any) -> None:
        raise ImageError(
            f"{what} has a document type declaration, which mask files do not need and which can "
            "do harm; delete the line that begins with <!DOCTYPE."
        )

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise ImageError(f"{what} is not valid XML ({error}); copy or save it again.") from None
    return builder.close()


@contextmanager
def open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip file to read its members into memory; nothing is unpacked to disk.

    Raises
    ------
    ImageError
        If its unpacked size does not fit into memory, or it is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) > _MOST_MEMBERS:
            raise ImageError(f"{path} has {len(members):,} files, too many for masks.")
        _check_memory(sum(member.file_size for member in members), path)
        yield archive


def needs(
    module: str, extra: str, doing: str, error: type[AnymaskError] = ImageError
) -> ModuleType:
    """Import an optional package that only some formats need.

    Parameters
    ----------
    module : str
        The package.
    extra : str
        The extra of anymask that includes it.
    doing : str
        What needs it; begins the sentence.
    error : type
        The error to raise if it is missing.

    Raises
    ------
    AnymaskError
        If it is not installed; the message says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as missing:
        raise error(
            f'{doing} needs the package {module}; install it with pip install "anymask[{extra}]".'
        ) from missing


def _check_memory(needed: int, path: Path) -> None:
    free = available_memory()
    if needed > free / 2:
        raise ImageError(
            f"{path} would take {needed / 2**30:,.1f} GB to read while {free / 2**30:,.1f} GB of "
            "memory are free; split it or check where it comes from."
        )
