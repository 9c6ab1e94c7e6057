"""A file that may hold masks; its content is read once, when a format first needs it."""

from __future__ import annotations

import copy
from functools import cached_property
from pathlib import Path
from typing import Any

from anymask.errors import ImageError
from anymask.images.image import Transform
from anymask.io.guards import open_zip, read_json
from anymask.masks.coco import key_of
from anymask.notices import tell
from anymask.wording import counted

_BEGINNING = 4096
_ZIP = (b"PK\3\4", b"PK\5\6")


class MaskFile:
    """A file or folder with masks, and what the caller knows about the image.

    Parameters
    ----------
    path : Path
        The file, or the folder of an OME-Zarr.
    image_size : tuple of int, optional
        Height and width of the image.
    transform : tuple of 6 float, optional
        From pixels to the coordinates of the map, in GDAL's order.
    picture : str, optional
        File name or id of the image, for a file that holds the masks of several.
    is_turned : bool
        Whether the image is shown turned by a quarter, as its file says.
    crs : str, optional
        The reference system of the prompts in the file, or "pixels", if the caller says it.
    image_crs : str, optional
        The reference system of the image's map: "EPSG:32632" or WKT.

    Raises
    ------
    ImageError
        If the file does not exist.
    """

    def __init__(
        self,
        path: Path,
        image_size: tuple[int, int] | None = None,
        transform: Transform | None = None,
        picture: str | None = None,
        *,
        is_turned: bool = False,
        crs: str | None = None,
        image_crs: str | None = None,
    ) -> None:
        self.path, self.suffix = path, path.suffix.lower()
        self.image_size, self.transform, self.picture = image_size, transform, picture
        self.is_turned, self.crs, self.image_crs = is_turned, crs, image_crs
        self.is_folder = path.is_dir()
        if not self.is_folder and not path.is_file():
            raise ImageError(f"There is no file {path}; check the name and the folder.")

    def with_facts_of(self, other: MaskFile) -> MaskFile:
        """Return this file with what the caller of another knows; nothing is read again."""
        same = copy.copy(other)
        for name in ("start", "text", "json", "members", "annotations_of"):
            if name in vars(self):
                vars(same)[name] = vars(self)[name]
        return same

    def of_picture(self, picture: str | None) -> MaskFile:
        """Return the same file for another of its images; nothing is read again."""
        other = copy.copy(self)
        other.picture = picture
        return other

    @cached_property
    def start(self) -> bytes:
        """The first 4096 bytes; empty for a folder."""
        if self.is_folder:
            return b""
        with self.path.open("rb") as file:
            return file.read(_BEGINNING)

    @cached_property
    def text(self) -> str:
        """The beginning as text, without leading white space."""
        return self.start.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").lstrip()

    @cached_property
    def json(self) -> Any:
        """The parsed JSON content; None if it does not begin like JSON.

        Raises
        ------
        ImageError
            If it begins like JSON and is damaged or too large.
        """
        return read_json(self.path) if self.text.startswith(("{", "[")) else None

    @cached_property
    def annotations_of(self) -> dict[str, list[Any]]:
        """The annotations in a COCO data set, by the key of their image."""
        found: dict[str, list[Any]] = {}
        for annotation in self.json["annotations"]:
            found.setdefault(key_of(annotation["image_id"]), []).append(annotation)
        listed = {key_of(image["id"]) for image in self.json["images"]}
        if others := [key for key in found if key not in listed]:
            number = sum(len(found[key]) for key in others)
            tell(
                f"{counted(number, 'annotation')} of images that the file does not list "
                f"({', '.join(others)[:60]}) {'is' if number == 1 else 'are'} left out."
            )
        return found

    @cached_property
    def members(self) -> tuple[str, ...] | None:
        """Names of the files in a zip file; None if it is not a zip file."""
        if not self.start.startswith(_ZIP):
            return None
        with open_zip(self.path) as archive:
            return tuple(archive.namelist())
