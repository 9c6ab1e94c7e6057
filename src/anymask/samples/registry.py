"""Samples by name, kept in the user's cache folder."""

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
        All its files; the last is the one that is opened, and is put in place last.
    write : callable
        Makes the files in a folder.
    """

    name: str
    description: str
    files: tuple[str, ...]
    write: Callable[[Path], None]


# Counted up when the data change, so that an old copy in a cache is not taken for the new.
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
    """Return the path of a sample, which is made if it is not there yet.

    Parameters
    ----------
    name
        One of :func:`list_samples`.
    folder
        Where its files shall lie; in the user's cache (``ANYMASK_HOME``, else ``~/.cache/anymask``)
        if None.

    Returns
    -------
    Path
        The file to open; the others lie beside it.

    Raises
    ------
    AnymaskError
        There is no such sample.
    OutputError
        The files cannot be written.

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
    """Return the names of all samples, and what each is.

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
        # Beside the target, so that the files need only take their names when all are whole.
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
