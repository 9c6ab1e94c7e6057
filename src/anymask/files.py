"""Write files whole or not at all.

Everything that anymask writes goes through `whole_file`: the bytes go to a hidden file beside the
target, which is renamed to the target only when it is complete. After a full disk, an error or
Ctrl-C, the old file is still there and no temporary file is left.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from anymask.errors import OutputError

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space or choose another folder",
    errno.EDQUOT: "the disk quota is used up; free some space or choose another folder",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.EACCES: "there is no permission to write here; choose another folder",
    errno.EPERM: "there is no permission to write here; choose another folder",
    errno.ENOTDIR: "a part of this path is a file, not a folder; choose another folder",
    errno.EEXIST: "a file has the name of the folder that is needed; choose another folder",
    errno.EISDIR: "a folder of this name is in the way; move it or choose another folder",
    errno.EFBIG: "the file would be larger than this file system allows; choose another folder",
    errno.ENAMETOOLONG: "the name is too long for this file system; shorten it",
}
# Errors that writing the next file to the same folder would meet too.
_LASTING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})

_TEMPORARY = ".anymask-"
_ABANDONED = 3600.0  # seconds; writing a file never takes this long


def output_error(path: Path, error: OSError) -> OutputError:
    """Turn a failed write into one sentence that says what to do.

    >>> output_error(Path("out/a.png"), OSError(errno.ENOSPC, "No space left on device")).args[0]
    'Cannot write out/a.png: the disk is full; free some space or choose another folder.'
    """
    reason = _REASONS.get(error.errno or 0) or error.strerror or str(error) or type(error).__name__
    return OutputError(f"Cannot write {path}: {reason}.")


def is_lasting(error: OutputError) -> bool:
    """Whether writing the next file would fail for the same reason (disk full, read-only)."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in _LASTING


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in lower-case hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; on success it becomes `path`, otherwise it is removed.

    Parameters
    ----------
    path : Path
        The final path. Its folder is created if missing.

    Yields
    ------
    Path
        A path in the same folder with the same suffix, so that writers which go by the suffix
        choose the right format, and the final rename stays within one file system.

    Raises
    ------
    OutputError
        If the folder cannot be created, or the file cannot be written or renamed.
    """
    temporary = path.with_name(f"{_TEMPORARY}{secrets.token_hex(8)}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise output_error(path, error) from error
    finally:
        # After the rename there is nothing left to remove.
        with suppress(OSError):
            temporary.unlink()


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files that a killed process left in a folder over an hour ago."""
    with suppress(OSError):
        for path in folder.glob(f"{_TEMPORARY}*"):
            if path.is_file() and time.time() - path.stat().st_mtime > _ABANDONED:
                path.unlink()


def check_free(path: Path, overwrite: bool) -> None:
    """Refuse to replace a file or folder unless `overwrite` is true.

    Raises
    ------
    OutputError
        If something of this name exists and `overwrite` is false.
    """
    if os.path.lexists(path) and not overwrite:
        raise OutputError(
            f"{path} exists already; choose another name, or replace it with --overwrite "
            "(overwrite=True in Python)."
        )


def write_together(files: Mapping[Path, bytes]) -> list[Path]:
    """Write several files; if one cannot be written, none changes.

    Raises
    ------
    OutputError
        If one cannot be written.
    """
    with ExitStack() as pending:
        parts = {path: pending.enter_context(whole_file(path)) for path in files}
        for path, part in parts.items():
            part.write_bytes(files[path])
    return list(files)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder to fill; on success it becomes `path`, otherwise it is removed.

    An existing `path` is replaced only when the new folder is complete.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    temporary = path.with_name(f".anymask-{secrets.token_hex(8)}{path.suffix}")
    old = temporary.with_name(f"{temporary.name}.old")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        yield temporary
        if os.path.lexists(path):
            os.replace(path, old)
        try:
            os.replace(temporary, path)
        except OSError:
            if os.path.lexists(old):
                os.replace(old, path)
            raise
    except OSError as error:
        raise output_error(path, error) from error
    finally:
        for left in (temporary, old):
            shutil.rmtree(left, ignore_errors=True)
            with suppress(OSError):
                left.unlink()


def check_writable(folder: Path) -> None:
    """Check that a file can be written to `folder`, which need not exist; nothing is left behind.

    Long runs call this first, so that a wrong output folder fails at once and not at the end.

    Raises
    ------
    OutputError
        If the folder cannot be created or written to.
    """
    probe = folder / f"{_TEMPORARY}{secrets.token_hex(8)}"
    missing = [part for part in (folder, *folder.parents) if not part.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"anymask")
    except OSError as error:
        raise output_error(folder, error) from error
    finally:
        with suppress(OSError):
            probe.unlink()
        with suppress(OSError):
            for part in missing:  # the innermost first
                part.rmdir()
