"""Recognise a checkpoint file by its first bytes.

Suffixes are not trusted: a download may have saved a web page under the name of a checkpoint. Every
file without weights is refused here with a message that says what it is instead.
"""

from __future__ import annotations

import json
import pickletools
import struct
import zipfile
from enum import Enum
from pathlib import Path
from typing import Any

from anymask.checkpoints.registry import CHECKPOINTS, known_names
from anymask.errors import CheckpointError

WEIGHT_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")

# The number that torch.save pickled first before PyTorch 1.6.
_LEGACY_MAGIC = b"l\xfc\x9cF\xf9 j\xa8P\x19"
_GIVE = "give a .safetensors, .pth or .pt file with the weights of a SAM"
_AGAIN = "download or copy it again"

# Errors from reading the directory of a damaged zip file.
_BAD_ZIP = (
    zipfile.BadZipFile,
    NotImplementedError,
    LookupError,
    ValueError,
    EOFError,
    OSError,
    struct.error,
)

_OTHER_FILES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"BM", "a BMP image"),
    (b"RIFF", "a WebP image or another RIFF file"),
    (b"%PDF", "a PDF document"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
)


class Container(Enum):
    """The container format of a checkpoint file."""

    SAFETENSORS = "safetensors"
    ZIP = "PyTorch zip"
    LEGACY = "PyTorch legacy"


def identify(path: Path) -> Container:
    """Return the container format of a file.

    Raises
    ------
    CheckpointError
        If it is missing, unreadable, empty, truncated, or not a file of tensors.
    """
    if not path.exists():
        raise missing_file(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        reason = error.strerror or error
        raise CheckpointError(
            f"{path} cannot be read: {reason}; check the file and its permissions."
        ) from error
    if not head:
        raise CheckpointError(f"{path} is empty; {_AGAIN}.")
    if head.startswith(b"PK\x03\x04"):
        return _identify_zip(path)
    if head.startswith(b"\x80") and _LEGACY_MAGIC in head[:64]:
        return Container.LEGACY
    if head[8:9] == b"{" and not head.startswith(b"{"):
        read_safetensors_header(path, size)
        return Container.SAFETENSORS
    raise CheckpointError(f"{path} is {_describe(path, head)}")


def missing_file(path: Path) -> CheckpointError:
    """Return the error for a missing file, with the name that would download it."""
    for entry in CHECKPOINTS.values():
        if path.name == entry.file_name and entry.url:
            return CheckpointError(
                f"There is no file {path}; check the path, or load {entry.name!r} by name to "
                f"download it."
            )
    return CheckpointError(
        f"There is no file {path}; check the path, or use one of the names {known_names()}."
    )


def read_safetensors_header(path: Path, size: int | None = None) -> dict[str, Any]:
    """Return the JSON header of a safetensors file: dtype, shape and position of each tensor.

    Raises
    ------
    CheckpointError
        If the header is invalid, or the file ends before its last tensor.
    """
    size = path.stat().st_size if size is None else size
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8).ljust(8, b"\0"))
        if length > min(size, 100_000_000):
            raise CheckpointError(
                f"{path} is a safetensors file cut short in its header, or not one; {_AGAIN}."
            )
        try:
            header = json.loads(file.read(length))
            ends = [v["data_offsets"][1] for k, v in header.items() if k != "__metadata__"]
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise CheckpointError(
                f"{path} is a safetensors file with a damaged header, or not one; {_AGAIN}."
            ) from error
    expected = 8 + length + max(ends, default=0)
    if size < expected:
        raise CheckpointError(
            f"{path} is a safetensors file cut short at {size:,} of {expected:,} bytes; {_AGAIN}."
        )
    return header


def _identify_zip(path: Path) -> Container:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except _BAD_ZIP as error:
        raise CheckpointError(
            f"{path} is a PyTorch file cut short or damaged (its zip directory is missing or "
            f"unreadable); {_AGAIN}."
        ) from error
    if any(name.endswith("/constants.pkl") for name in names):
        raise CheckpointError(
            f"{path} is a TorchScript program, which holds code; {_GIVE} instead."
        )
    if not any(name.endswith("/data.pkl") for name in names):
        raise CheckpointError(f"{path} is a zip archive without PyTorch tensors; {_GIVE}.")
    return Container.ZIP


def _describe(path: Path, head: bytes) -> str:
    if head.startswith(b"version https://git-lfs"):
        return (
            "a Git LFS pointer, not the weights themselves; run `git lfs pull` in its repository."
        )
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:200].lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return "a web page saved under this name; download the file itself, not the page about it."
    if head.startswith(b"\x80"):
        called = _first_global(path)
        if called:
            return (
                f"a Python pickle that calls {called}, so it is refused unread, since it could "
                f"run code; {_GIVE}."
            )
        return f"a Python pickle not made by torch.save; {_GIVE}."
    if _is_text(head):
        return f"a text file, not a checkpoint; {_GIVE}."
    for magic, name in _OTHER_FILES:
        if head.startswith(magic):
            advice = "unpack it first" if name.endswith("archive") else _GIVE
            return f"{name}, not a checkpoint; {advice}."
    return f"not a checkpoint, or damaged at its beginning; {_GIVE}."


def _is_text(head: bytes) -> bool:
    # The last character may be incomplete.
    text = head[:-3] if len(head) > 3 else head
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return all(c.isprintable() or c in "\t\r\n\f" for c in decoded)


def _first_global(path: Path) -> str | None:
    """Return the first name that a pickle imports, from its opcodes, without running them."""
    strings: list[str] = []
    memo: list[str] = []  # every MEMOIZE uses the next index, whatever it stores
    previous = ""
    try:
        with path.open("rb") as file:
            for opcode, argument, _ in pickletools.genops(file):
                if opcode.name in ("GLOBAL", "INST"):
                    return str(argument).replace(" ", ".")
                if opcode.name == "STACK_GLOBAL":
                    return ".".join(strings[-2:])
                if "UNICODE" in opcode.name:
                    strings.append(str(argument))
                elif opcode.name == "MEMOIZE":
                    memo.append(strings[-1] if "UNICODE" in previous else "")
                elif opcode.name in ("BINGET", "LONG_BINGET"):
                    strings.append(memo[int(argument or 0)])
                previous = opcode.name
    except (ValueError, OSError, IndexError, EOFError):
        return None  # not a complete pickle
    return None
