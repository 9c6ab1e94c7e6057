"""Files that appear whole or not at all.

Everything anymask writes goes through `whole_file`: the bytes go to a hidden file beside the
target, which takes the target's name only when it is complete. A full disk, an error or Ctrl-C
leaves what stood there before, and no temporary file.
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
    errno.EEXIST: "a file of this name stands where a folder is needed; choose another folder",
    errno.EISDIR: "a folder of this name stands in the way; move it or choose another folder",
    errno.EFBIG: "the file would be larger than is allowed here; choose another folder",
    errno.ENAMETOOLONG: "the name is too long for this file system; shorten it",
}
# Errors that the next file in the same folder would meet as well.
_LASTING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})

_TEMPORARY = ".anymask-"
_ABANDONED = 3600.0  # seconds; no file takes so long to write


def output_error(path: Path, error: OSError) -> OutputError:
    """Turn a failed write into one sentence that says what to do.

    >>> output_error(Path("out/a.png"), OSError(errno.ENOSPC, "No space left on device")).args[0]
    'Cannot write out/a.png: the disk is full; free some space or choose another folder.'
    """
    reason = _REASONS.get(error.errno or 0) or error.strerror or str(error) or type(error).__name__
    return OutputError(f"Cannot write {path}: {reason}.")


def is_lasting(error: OutputError) -> bool:
    """Whether writing the next file would fail for the same cause (disk full, read-only)."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in _LASTING


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in lower-case hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; on success it becomes `path`, else it is removed.

    Parameters
    ----------
    path : Path
        Where the file shall stand. Its folder is made if missing.

    Yields
    ------
    Path
        A path in the same folder with the same suffix, so that writers that go by the suffix
        choose the same format and the final rename never crosses file systems.

    Raises
    ------
    OutputError
        If the folder cannot be made, the file not written, or not renamed.
    """
    temporary = path.with_name(f"{_TEMPORARY}{secrets.token_hex(8)}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise output_error(path, error) from error
    finally:
        # After the rename nothing is left under the temporary name.
        with suppress(OSError):
            temporary.unlink()


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files that a killed process left in a folder an hour ago or earlier."""
    with suppress(OSError):
        for path in folder.glob(f"{_TEMPORARY}*"):
            if path.is_file() and time.time() - path.stat().st_mtime > _ABANDONED:
                path.unlink()


def check_free(path: Path, overwrite: bool) -> None:
    """Refuse to replace a file or folder unless that is allowed.

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
    """Write several files, of which none changes if one cannot be written.

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
    """Yield a temporary folder to fill; on success it becomes `path`, else it is removed.

    What stood at `path` goes only when all of the new folder has been written.

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
    """Make `folder` if need be and prove that a file can be written there.

    Long runs call this first, so that a wrong output folder costs a second and not the run.

    Raises
    ------
    OutputError
        If the folder cannot be made or written to.
    """
    probe = folder / f"{_TEMPORARY}{secrets.token_hex(8)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"anymask")
    except OSError as error:
        raise output_error(folder, error) from error
    finally:
        with suppress(OSError):
            probe.unlink()
