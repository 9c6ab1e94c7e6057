"""The registry of file formats: their names, how to recognise, read and write them.

There are two kinds of entries. An `ImageFormat` reads a file as an `Image`. A `MaskFormat` writes
a `MaskSet` to a file and reads it back; many can also read prompts, the boxes and points in a file.
TIFF, PNG, NPZ and Zarr can hold images and masks, so each of them has an entry of either kind in
two modules: `image_formats/tiff/` opens any TIFF as an image, and `mask_formats/label_tiff.py`
reads and writes label images in TIFF. A mask format may use an image format, but not the other way
round.

Built-in formats are the modules of `image_formats/` and `mask_formats/`. Each has its entry as
``FORMAT``; a new format needs no change elsewhere. Installed packages add
formats through the entry-point groups ``anymask.readers`` (an `ImageFormat` each) and
``anymask.writers`` (a `MaskFormat` each). See docs/extending.md.

Lists of formats, suffixes, help texts and warnings are derived from these entries.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from anymask import plugins
from anymask.errors import OutputError

if TYPE_CHECKING:
    from anymask.images.image import Image
    from anymask.io.mask_file import MaskFile
    from anymask.io.table_parts import Column, Part
    from anymask.io.write_context import WriteContext
    from anymask.masks.mask_set import MaskSet
    from anymask.masks.measure import Measurements
    from anymask.prompts.prompts import Prompts

READERS, WRITERS = "anymask.readers", "anymask.writers"
"""The entry-point groups through which packages add image formats and mask formats."""


@dataclass(frozen=True, kw_only=True)
class ImageFormat:
    """A file format that is read as an image.

    Attributes
    ----------
    name : str
        The name shown to users.
    suffixes : tuple of str
        Endings of file names, in lower case and with the dot.
    read : callable
        ``read(path, **options)`` returns an `Image`. Packages that are slow to import are imported
        inside it.
    options : frozenset of str
        The options of `anymask.read` that it takes, from ``header``, ``series``, ``page``,
        ``level``, ``dataset`` and ``axes``.
    is_folder : bool
        Whether the image is a folder, as in OME-Zarr.
    sniff : callable, optional
        ``sniff(path)`` returns whether a file is of this format, judging by its content. It is
        called for files with an unknown suffix.
    ambiguous : bool
        Whether other programs use these suffixes too. In a folder, only files that `sniff`
        accepts are then images.
    files : callable, optional
        ``files(path)`` returns all files of an image that has several, the main one first. By
        default only the path.
    any_name : bool
        Whether files of this format often have no suffix, or a meaningless one. In a folder, files
        with unknown suffixes that `sniff` accepts are then images.
    reads_folder : callable, optional
        ``reads_folder(path)`` returns whether a folder, which is listed as several images, can also
        be read as one.
    rank : int
        Formats with a lower rank come first in lists, and when an image is searched by its name
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
    any_name: bool = False
    reads_folder: Callable[[Path], bool] | None = None
    rank: int = 50

    def accepts(self, path: Path) -> bool:
        """Whether `sniff` accepts the file."""
        return self.sniff is not None and self.sniff(path)


@dataclass(frozen=True, kw_only=True)
class MaskFormat:
    """A file format for masks, or for measurements of masks.

    A read-only format has neither `write` nor `write_table`. A table has `write_table` and is never
    read.

    Attributes
    ----------
    name : str
        The name that users type, as in ``--to NAME``.
    title : str
        A short description, for lists.
    suffixes : tuple of str
        Endings of file names, in lower case; files are written with the first.
    read_suffixes : tuple of str
        Endings of files that are read but never written.
    write : callable, optional
        ``write(path, masks, context)`` writes a `MaskSet` and returns the files it wrote. The
        `WriteContext` has the facts about the image, and the options.
    write_many : callable, optional
        ``write_many(path, pairs)`` writes the masks of several images into one file; each pair is
        a `MaskSet` and its `WriteContext`.
    write_table : callable, optional
        ``write_table(path, measurements)`` writes `Measurements` and returns the files it wrote.
    write_parts : callable, optional
        ``write_parts(path, columns, parts)`` writes a table part by part, for the rows of many
        images; see `anymask.io.table_parts`.
    check : callable, optional
        ``check()`` raises an error if a package that writing needs is not installed.
    read : callable, optional
        ``read(file)`` returns the `MaskSet` in a `MaskFile`.
    read_prompts : callable, optional
        ``read_prompts(file)`` returns the `Prompts` in a `MaskFile`: boxes and points, of one image
        or of all in the file.
    sniff : callable, optional
        ``sniff(file)`` returns whether a `MaskFile` is of this format, judging by its content. By
        default the suffix decides.
    images_in : callable, optional
        ``images_in(file)`` returns a key and a file name for each image in the file; `read` then
        gets the key as ``file.picture``.
    scale : callable, optional
        ``scale(path)`` returns an image with the pixel size, unit and geo-reference of a file, or
        None if it has none.
    ending : str
        The ending of a result beside an image, after the image's name. By default the suffix.
    dataset_folder : str
        In a data set of several images, the folder that contains the files.
    dataset_list : str
        In a data set, a file that must exist beside `dataset_folder`.
    dataset_images : str, optional
        In a data set, the folder of the images; "" for beside the files. By default it has none.
    dataset_lacks : callable, optional
        ``dataset_lacks(folder)`` returns what a data set that was just written still needs before
        other programs can train on it, as a sentence, or None.
    keeps_images : bool
        Whether a data set holds the images, as the model saw them.
    companions : tuple of str
        Names, or endings after the same stem, of files that are written along with a result but
        are not results themselves.
    is_folder : bool
        Whether the result is a folder.
    is_label_image : bool
        Whether the file is an image with one id per pixel.
    keeps_overlaps, keeps_ids, keeps_empty, keeps_scores, keeps_prompts : bool
        Whether these survive writing and reading: overlapping masks, ids, masks without pixels,
        scores, and the points and crops that masks were found with.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    read_suffixes: tuple[str, ...] = ()
    write: Callable[[Path, MaskSet, WriteContext], list[Path]] | None = None
    write_many: Callable[[Path, Sequence[tuple[MaskSet, WriteContext]]], list[Path]] | None = None
    write_table: Callable[[Path, Measurements], list[Path]] | None = None
    write_parts: Callable[[Path, Sequence[Column], Iterable[Part]], None] | None = None
    check: Callable[[], Any] | None = None
    read: Callable[[MaskFile], MaskSet] | None = None
    read_prompts: Callable[[MaskFile], Prompts] | None = None
    sniff: Callable[[MaskFile], bool] | None = None
    images_in: Callable[[MaskFile], Sequence[tuple[str | None, str | None]]] | None = None
    scale: Callable[[Path], Image | None] | None = None
    ending: str = ""
    dataset_folder: str = ""
    dataset_list: str = ""
    dataset_images: str | None = None
    dataset_lacks: Callable[[Path], str | None] | None = None
    keeps_images: bool = False
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
        """The suffix of new files."""
        return self.suffixes[0]

    @property
    def is_written(self) -> bool:
        """Whether the format can be written."""
        return self.write is not None or self.write_table is not None

    @property
    def is_table(self) -> bool:
        """Whether it holds measurements instead of masks."""
        return self.write_table is not None

    @property
    def is_dataset(self) -> bool:
        """Whether the files of several images belong together: one file, or shared folders."""
        return self.write_many is not None or bool(self.dataset_folder)

    def accepts(self, file: MaskFile) -> bool:
        """Whether a file is of this format, by `sniff`, or by its suffix if there is no `sniff`."""
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
    """All mask formats by name, the built-in ones first, from most to least kept."""
    from anymask.io import mask_formats as folder

    built_in = sorted(_built_in(folder, MaskFormat), key=_least_kept)
    # Suffixes may be shared: an existing file is recognised by content, and the name of a new
    # file means the first format with its suffix.
    names = {form.name for form in built_in}
    added = sorted(_from_packages(WRITERS, MaskFormat, names, set()), key=_least_kept)
    return MappingProxyType({form.name: form for form in (*built_in, *added)})


def written_formats() -> dict[str, MaskFormat]:
    """The mask formats that can be written, by name."""
    return {name: form for name, form in mask_formats().items() if form.is_written}


@cache
def image_suffixes() -> tuple[str, ...]:
    """Suffixes of the files that are read as images, in lower case."""
    return tuple(suffix for form in image_formats() for suffix in form.suffixes)


def image_format_by_suffix(path: Path) -> ImageFormat | None:
    """The image format of a path, by its suffix; None if unknown."""
    suffix = path.suffix.lower()
    return next((form for form in image_formats() if suffix in form.suffixes), None)


def image_format_by_content(path: Path) -> ImageFormat | None:
    """The image format of a file, by its content; None if unknown."""
    return next((form for form in image_formats() if form.accepts(path)), None)


def image_format_of_folder(path: Path) -> ImageFormat | None:
    """The format that reads a folder of several images as one, such as the slices of a volume."""
    if not path.is_dir():
        return None
    forms = image_formats()
    return next((form for form in forms if form.reads_folder and form.reads_folder(path)), None)


def image_files(path: Path) -> list[Path]:
    """All files that make up an image, the main one first."""
    form = image_format_by_suffix(path) or (
        image_format_by_content(path) if path.is_file() else None
    )
    return [path] if form is None or form.files is None else form.files(path)


def format_named(name: str) -> MaskFormat:
    """Look up the mask format to write by its name.

    Raises
    ------
    OutputError
        If there is no such format.
    """
    formats = written_formats()
    if name in formats:
        return formats[name]
    near = get_close_matches(name, formats, 1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise OutputError(f"There is no format {name!r}; {hint}choose from {', '.join(formats)}.")


def format_of(path: Path) -> MaskFormat:
    """The mask format of a new file, by its name.

    Raises
    ------
    OutputError
        If no format with this suffix can be written.

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
        f"The name {path.name} does not show the format; give it a suffix such as "
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
    """The entries of installed packages; unusable ones are left out with a warning."""
    found: list[_Format] = []
    for entry, form in plugins.loaded(group, kind, "format"):
        if form.name in names | {other.name for other in found}:
            plugins.leave_out(entry, "format", f"there is a format called {form.name} already")
        elif twice := suffixes.intersection(form.suffixes):
            plugins.leave_out(entry, "format", f"the suffix {min(twice)} belongs to another format")
        else:
            found.append(form)
    return found
