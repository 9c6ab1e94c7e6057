"""Where results go: nothing that exists is replaced unasked, and no folder is left half-written."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from anymask.errors import OutputError
from anymask.files import output_error, whole_file


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
