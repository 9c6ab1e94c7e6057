"""Read prompts, the boxes and points of objects, from files; the format is known by content."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from anymask.errors import ImageError, PromptError
from anymask.io.gathering import gather_results
from anymask.io.guards import reading
from anymask.io.mask_file import MaskFile
from anymask.io.read_images import read
from anymask.io.registry import MaskFormat, mask_formats
from anymask.notices import tell
from anymask.prompts.placing import PIXELS
from anymask.prompts.prompts import Prompts

# Their coordinates can be on a map.
_ON_MAPS = ("geojson", "csv")


def read_prompts(
    path: str | os.PathLike[str], image: Any = None, *, crs: str | None = None
) -> Prompts:
    """Read boxes and points of objects, with their ids and classes.

    Formats: COCO, also the list of results that detectors write (boxes); YOLO, Pascal VOC (boxes);
    LabelMe, GeoJSON, CSV (boxes and points, on and off an object); ImageJ ROIs (points, and boxes
    around areas); and those of installed packages. A shape of any other kind gives the box around
    it. Half a pixel lies between the corner of the first pixel, where files begin to count, and its
    centre, where prompts do; it is taken into account.

    Parameters
    ----------
    path : path-like
        A file; or a folder with a file for each image, such as YOLO's labels.
    image : Image, array or path-like, optional
        The image, to return its prompts in its pixels. By default the prompts of all images are
        returned as they are in the file; `Prompts.for_image` then gives those of one.
    crs : str, optional
        For GeoJSON and CSV: the reference system of the coordinates, x before y, if the file does
        not say it: a name such as "EPSG:4326", "image" for that of the image, or "pixels".

    Returns
    -------
    Prompts

    Raises
    ------
    ImageError
        If the file is missing, damaged, empty or of an unknown format.
    PromptError
        If it has no prompts, or what it says cannot be understood; with `image`, as
        `Prompts.for_image`.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     rows = ["id,x,y,label", "7,40,30,1", "7,60,30,0", "8,90,20,1"]
    ...     _ = Path(folder, "p.csv").write_text("\\n".join(rows))
    ...     prompts = read_prompts(f"{folder}/p.csv")
    >>> prompts.ids, prompts.point_labels
    (array([7, 8]), array([[ 1,  0],
           [ 1, -1]]))
    """
    path = Path(path)
    mask_formats()  # load plugins here, outside `reading`, which would silence their warnings
    prompts = _read_folder(path, crs) if path.is_dir() else _read(path, crs)
    if not len(prompts):
        raise PromptError(f"{path} has no prompts: neither a box nor a point is in it.")
    if image is None:
        return prompts
    if isinstance(image, (str, os.PathLike)):
        image = read(image)
    return prompts.for_image(image)


def _read_folder(folder: Path, crs: str | None) -> Prompts:
    """Read the files of a folder; those that cannot be read are told and left out."""
    found = []
    for result in gather_results([folder], "prompts"):
        try:
            prompts = _read(result.path, crs)
        except (ImageError, PromptError) as error:
            tell(f"{str(error).rstrip('.')}; it is left out.")
            continue
        found.append(prompts if prompts.is_named else prompts.with_image(result.name.as_posix()))
    return Prompts.joined(found)


def _read(path: Path, crs: str | None) -> Prompts:
    with reading(path, "prompts"):
        file = MaskFile(path, crs=crs)
        form = _identify(file)
        if crs not in (None, PIXELS) and form.name not in _ON_MAPS:
            raise PromptError(f"{path} has pixels; crs={crs!r} is for GeoJSON and CSV.")
        assert form.read_prompts is not None
        return form.read_prompts(file)


def _identify(file: MaskFile) -> MaskFormat:
    """Recognise the format of a file by its content.

    Raises
    ------
    ImageError
        If the format is unknown, or has no prompts.
    """
    if not file.start and file.suffix != ".txt":
        raise ImageError(f"{file.path} is empty (0 bytes); copy or save it again.")
    forms = [form for form in mask_formats().values() if form.read_prompts is not None]
    # Formats that go by their suffix alone, such as those of packages, are tried first.
    own = [form for form in forms if form.sniff is None and file.suffix in form.suffixes]
    form = next((form for form in (*own, *forms) if form.accepts(file)), None)
    if form is None:
        known = ", ".join(_title(form) for form in forms)
        raise ImageError(
            f"{file.path} has no boxes or points in a known format; anymask reads {known}."
        )
    return form


def _title(form: MaskFormat) -> str:
    return form.title.removeprefix("measurements as ").removesuffix(" segmentation labels")
