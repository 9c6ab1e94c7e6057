"""Samples by name, stored in the user's cache folder."""

from __future__ import annotations

import difflib
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from anymask.checkpoints.download import cache_dir
from anymask.errors import AnymaskError
from anymask.files import check_writable, output_error
from anymask.samples.leaf_cube import write_leaf_cube


@dataclass(frozen=True)
class Sample:
    """Sample data.

    Attributes
    ----------
    name : str
    description : str
        One sentence.
    files : tuple of str
        All its files; the last one is the file to open, and is renamed last.
    write : callable
        Writes the files to a folder.
    """

    name: str
    description: str
    files: tuple[str, ...]
    write: Callable[[Path], None]


# Increased when the data change, so that an old copy in a cache is not used.
_LEAF_CUBE = "leaf_cube"
SAMPLES: dict[str, Sample] = {
    _LEAF_CUBE: Sample(
        _LEAF_CUBE,
        "ENVI cube of leaves, soil and a white panel, 400 to 1300 nm in 181 bands, 280×200 pixels; "
        "computed, with leaf_cube.labels.tif as the truth.",
        ("leaf_cube.raw", "leaf_cube.labels.tif", "leaf_cube.csv", "leaf_cube.hdr"),
        write_leaf_cube,
    ),
}
"""All samples by name."""

_VERSION = "1"


def sample(name: str, folder: str | Path | None = None) -> Path:
    """Return the path of a sample, which is computed on first use.

    Parameters
    ----------
    name
        One of :func:`list_samples`.
    folder
        Folder for its files; by default in the user's cache (``ANYMASK_HOME``, else
        ``~/.cache/anymask``).

    Returns
    -------
    Path
        The file to open; the others are beside it.

    Raises
    ------
    AnymaskError
        If there is no such sample.
    OutputError
        If the files cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sample("leaf_cube", folder).name
    'leaf_cube.hdr'
    """
    if name not in SAMPLES:
        close = difflib.get_close_matches(str(name)[:40], SAMPLES, n=1)
        advice = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(SAMPLES)}."
        raise AnymaskError(f"There is no sample {str(name)[:40]!r}; {advice}")
    chosen = SAMPLES[name]
    target = cache_dir() / f"samples-{_VERSION}" if folder is None else Path(folder)
    if not all((target / file).is_file() for file in chosen.files):
        _make(chosen, target)
    return target / chosen.files[-1]


def list_samples() -> dict[str, str]:
    """Return the names and descriptions of all samples.

    Examples
    --------
    >>> list(list_samples())
    ['leaf_cube']
    """
    return {name: entry.description for name, entry in SAMPLES.items()}


def _make(chosen: Sample, target: Path) -> None:
    check_writable(target)
    workshop: Path | None = None
    try:
        target.mkdir(parents=True, exist_ok=True)
        # Beside the target, so that files only need renaming when all are complete.
        workshop = Path(tempfile.mkdtemp(prefix=".anymask-", dir=target))
        chosen.write(workshop)
        for file in chosen.files:
            (workshop / file).replace(target / file)
    except OSError as error:
        raise output_error(target / chosen.files[-1], error) from error
    finally:
        if workshop is not None:
            with suppress(OSError):
                shutil.rmtree(workshop)
