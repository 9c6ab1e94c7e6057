"""The registry of file formats: what each is called, how it is told apart, read and written.

There are two kinds of entries. An `ImageFormat` turns a file into an `Image`. A `MaskFormat` turns
a `MaskSet` into a file and back. TIFF, PNG, NPZ and Zarr are containers for both, so each of them
has an entry of either kind, in two modules: `image_formats/tiff/` opens any TIFF as an image, and
`mask_formats/label_tiff.py` reads and writes label images in TIFF. A mask format may use an image
format, never the other way round.

Built-in formats are the modules of `image_formats/` and `mask_formats/`: each module there has its
entry as ``FORMAT``, and nothing else has to be changed for a new one. Installed packages add
formats through the entry-point groups ``anymask.readers`` (an `ImageFormat` each) and
``anymask.writers`` (a `MaskFormat` each). See docs/extending.md.

Lists of formats, suffixes, help texts and warnings are derived from these entries.
"""

from __future__ import annotations

import importlib
import pkgutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from anymask.errors import OutputError

if TYPE_CHECKING:
    from anymask.images.image import Image
    from anymask.io.mask_file import MaskFile
    from anymask.io.write_context import WriteContext
    from anymask.masks.mask_set import MaskSet
    from anymask.masks.measure import Measurements

READERS, WRITERS = "anymask.readers", "anymask.writers"
"""The entry-point groups of packages that add image formats and mask formats."""


class PluginWarning(UserWarning):
    """A format of an installed package cannot be used."""


@dataclass(frozen=True, kw_only=True)
class ImageFormat:
    """A kind of file that is read as an image.

    Attributes
    ----------
    name : str
        What users call it.
    suffixes : tuple of str
        Endings of file names, in lower case and with the dot.
    read : callable
        ``read(path, **options)`` returns an `Image`. Packages that are slow to import are imported
        inside of it.
    options : frozenset of str
        Which of the options of `anymask.read` it takes, out of ``header``, ``series``, ``page``,
        ``level``, ``dataset`` and ``axes``.
    is_folder : bool
        Whether the image is a folder, as OME-Zarr is.
    sniff : callable, optional
        ``sniff(path)`` tells by content whether a file is of this format. It is asked about files
        whose suffix no format has.
    ambiguous : bool
        Other programs use these suffixes too: of the files in a folder, only those that `sniff`
        accepts are images.
    files : callable, optional
        ``files(path)`` returns all files of an image that has several, first the one that stands
        for all of them. By default the path alone.
    rank : int
        Formats of a lower rank come first in lists, and when an image is looked for by its name
        without suffix.
    """

    name: str
    suffixes: tuple[str, ...]
    read: Callable[..., Image]
    options: frozenset[str] = frozenset()
    is_folder: bool = False
    sniff: Callable[[Path], bool] | None = None
    ambiguous: bool = False
    files: Callable[[Path], list[Path]] | None = None
    rank: int = 50

    def accepts(self, path: Path) -> bool:
        """Whether `sniff` accepts the file."""
        return self.sniff is not None and self.sniff(path)


@dataclass(frozen=True, kw_only=True)
class MaskFormat:
    """A kind of file that holds masks, or measurements of them.

    A format that is only read has neither `write` nor `write_table`. A table has `write_table` and
    is never read.

    Attributes
    ----------
    name : str
        What users call it, as in ``--to NAME``.
    title : str
        What it is, for lists.
    suffixes : tuple of str
        Endings of file names, in lower case; files are written with the first.
    read_suffixes : tuple of str
        Endings of files that are read and never written.
    write : callable, optional
        ``write(path, masks, context)`` writes a `MaskSet` and returns the files it wrote. The
        `WriteContext` holds what is known of the image, and the options.
    write_many : callable, optional
        ``write_many(path, pairs)`` writes the masks of several images into one file; each pair is
        a `MaskSet` and its `WriteContext`.
    write_table : callable, optional
        ``write_table(path, measurements)`` writes `Measurements` and returns the files it wrote.
    read : callable, optional
        ``read(file)`` returns the `MaskSet` in a `MaskFile`.
    sniff : callable, optional
        ``sniff(file)`` tells by content whether a `MaskFile` is of this format. By default the
        suffix tells.
    images_in : callable, optional
        ``images_in(file)`` returns a key and a file name for each image whose masks the file
        holds; `read` finds the key in ``file.picture``.
    scale : callable, optional
        ``scale(path)`` returns the image from which pixel size and unit of a file are taken.
    ending : str
        How a file beside an image is called: the image's name and this. By default the suffix.
    dataset_folder : str
        In a data set of several images, the folder that holds the files.
    dataset_list : str
        In a data set, the file beside `dataset_folder` without which the folder is no data set.
    companions : tuple of str
        Names, or endings after the same stem, of files that are written along and are no results
        by themselves.
    is_folder : bool
        Whether the result is a folder.
    is_label_image : bool
        Whether the file is an image with one id per pixel.
    keeps_overlaps, keeps_ids, keeps_empty, keeps_scores, keeps_prompts : bool
        Whether these come back when the file is read: overlapping masks, ids, masks without
        pixels, scores, and the points and crops that masks were found with.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    read_suffixes: tuple[str, ...] = ()
    write: Callable[[Path, MaskSet, WriteContext], list[Path]] | None = None
    write_many: Callable[[Path, Sequence[tuple[MaskSet, WriteContext]]], list[Path]] | None = None
    write_table: Callable[[Path, Measurements], list[Path]] | None = None
    read: Callable[[MaskFile], MaskSet] | None = None
    sniff: Callable[[MaskFile], bool] | None = None
    images_in: Callable[[MaskFile], Sequence[tuple[str | None, str | None]]] | None = None
    scale: Callable[[Path], Image] | None = None
    ending: str = ""
    dataset_folder: str = ""
    dataset_list: str = ""
    companions: tuple[str, ...] = ()
    is_folder: bool = False
    is_label_image: bool = False
    keeps_overlaps: bool = True
    keeps_ids: bool = True
    keeps_empty: bool = True
    keeps_scores: bool = False
    keeps_prompts: bool = False

    def __post_init__(self) -> None:
        if not self.ending:
            object.__setattr__(self, "ending", self.suffix)

    @property
    def suffix(self) -> str:
        """The suffix that files get."""
        return self.suffixes[0]

    @property
    def is_written(self) -> bool:
        """Whether it can be written, and not only read."""
        return self.write is not None or self.write_table is not None

    @property
    def is_table(self) -> bool:
        """Whether it holds measurements and no masks."""
        return self.write_table is not None

    @property
    def is_dataset(self) -> bool:
        """Whether the files of several images belong together: one file, or shared folders."""
        return self.write_many is not None or bool(self.dataset_folder)

    def accepts(self, file: MaskFile) -> bool:
        """Whether a file is of this format: by `sniff`, without one by its suffix."""
        if file.is_folder != self.is_folder:
            return False
        return file.suffix in self.suffixes if self.sniff is None else self.sniff(file)

    def save(self, path: Path, masks: MaskSet, context: WriteContext) -> list[Path]:
        """Write masks, or a table of their measurements; return the files written."""
        if self.write_table is not None:
            from anymask.io.tables import measured

            return self.write_table(path, measured(masks, context))
        assert self.write is not None
        return self.write(path, masks, context)


@cache
def image_formats() -> tuple[ImageFormat, ...]:
    """All image formats: the built-in ones by rank, then those of installed packages."""
    from anymask.io import image_formats as folder

    built_in = sorted(_built_in(folder, ImageFormat), key=lambda form: (form.rank, form.name))
    taken = {suffix for form in built_in for suffix in form.suffixes}
    return (*built_in, *_from_packages(READERS, ImageFormat, set(), taken))


@cache
def mask_formats() -> Mapping[str, MaskFormat]:
    """All mask formats by name, from those that keep most to those that keep least."""
    from anymask.io import mask_formats as folder

    built_in = sorted(_built_in(folder, MaskFormat), key=_least_kept)
    # Suffixes may be shared: the content tells which format a file is of, and a name given to a
    # new file means the format that keeps most, the built-in ones first.
    names = {form.name for form in built_in}
    added = sorted(_from_packages(WRITERS, MaskFormat, names, set()), key=_least_kept)
    return MappingProxyType({form.name: form for form in (*built_in, *added)})


def written_formats() -> dict[str, MaskFormat]:
    """The mask formats that can be written, by name."""
    return {name: form for name, form in mask_formats().items() if form.is_written}


@cache
def image_suffixes() -> tuple[str, ...]:
    """Endings of the file names that are read as images, in lower case."""
    return tuple(suffix for form in image_formats() for suffix in form.suffixes)


def image_format_by_suffix(path: Path) -> ImageFormat | None:
    """The image format that a path's suffix names; None if there is no such format."""
    suffix = path.suffix.lower()
    return next((form for form in image_formats() if suffix in form.suffixes), None)


def image_format_by_content(path: Path) -> ImageFormat | None:
    """The image format that a file's content shows; None if there is no such format."""
    return next((form for form in image_formats() if form.accepts(path)), None)


def image_files(path: Path) -> list[Path]:
    """All files that make up an image, first the one that stands for it."""
    form = image_format_by_suffix(path) or (
        image_format_by_content(path) if path.is_file() else None
    )
    return [path] if form is None or form.files is None else form.files(path)


def format_named(name: str) -> MaskFormat:
    """Look up the mask format to write by its name.

    Raises
    ------
    OutputError
        If there is none of that name.
    """
    formats = written_formats()
    if name in formats:
        return formats[name]
    near = get_close_matches(name, formats, 1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise OutputError(f"There is no format {name!r}; {hint}choose from {', '.join(formats)}.")


def format_of(path: Path) -> MaskFormat:
    """The mask format that a new file's name asks for.

    Raises
    ------
    OutputError
        If its suffix belongs to no format that is written.

    Examples
    --------
    >>> format_of(Path("cells.geojson")).name
    'geojson'
    """
    suffix = path.suffix.lower()
    if path.parent.name == "labels" and path.parent.parent.suffix == ".zarr":
        suffix = ".zarr"  # labels within an image
    formats = written_formats().values()
    for form in formats:
        if suffix in form.suffixes:
            return form
    suffixes = dict.fromkeys(suffix for form in formats for suffix in form.suffixes)
    raise OutputError(
        f"The name {path.name} does not say which format is meant; give it a suffix such as "
        f"{', '.join(suffixes)}, or name the format."
    )


def _least_kept(form: MaskFormat) -> tuple[int, bool, str]:
    """Sort key: formats that lose nothing come first, tables last."""
    kept = (
        form.keeps_overlaps
        + form.keeps_ids
        + form.keeps_empty
        + form.keeps_scores
        + form.keeps_prompts
    )
    return (1 if form.is_table else -kept, not form.keeps_overlaps, form.name)


_Format = TypeVar("_Format", ImageFormat, MaskFormat)


def _built_in(folder: Any, kind: type[_Format]) -> list[_Format]:
    """The entries of all modules in a folder of formats."""
    names = [module.name for module in pkgutil.iter_modules(folder.__path__)]
    found = [importlib.import_module(f"{folder.__name__}.{name}").FORMAT for name in names]
    assert all(isinstance(form, kind) for form in found)
    return found


def _from_packages(
    group: str, kind: type[_Format], names: set[str], suffixes: set[str]
) -> list[_Format]:
    """The entries of installed packages; one that cannot be used is named and left out."""
    found: list[_Format] = []
    for entry in sorted(entry_points(group=group), key=lambda entry: entry.name):
        try:
            form = entry.load()
        except Exception as error:  # whatever code of others raises when it is imported
            reason = (str(error).splitlines() or [""])[0].rstrip(".") or type(error).__name__
            _leave_out(entry, reason)
            continue
        if not isinstance(form, kind):
            _leave_out(entry, f"{entry.value} is no {kind.__name__}")
        elif form.name in names | {other.name for other in found}:
            _leave_out(entry, f"there is a format called {form.name} already")
        elif twice := suffixes.intersection(form.suffixes):
            _leave_out(entry, f"the suffix {min(twice)} belongs to another format")
        else:
            found.append(form)
    return found


def _leave_out(entry: EntryPoint, reason: str) -> None:
    package = entry.dist.name if entry.dist is not None else entry.value
    warnings.warn(
        f"The format {entry.name} of the package {package} is left out: {reason}; update or "
        "uninstall the package.",
        PluginWarning,
        stacklevel=2,
    )
