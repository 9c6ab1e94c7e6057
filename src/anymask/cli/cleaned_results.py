"""Files with cleaned masks: their names, and what is written for one image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from anymask.io.results import CLEANED

if TYPE_CHECKING:
    from anymask.images.image import Image
    from anymask.io.gathering import Result
    from anymask.io.view import View
    from anymask.masks.mask_set import MaskSet


def stem_of(result: Result, options: dict[str, Any], image_name: str | None) -> Path:
    """Folder and NAME of the results of one image."""
    name = result.name if image_name is None else result.name / Path(image_name).stem
    folder = options["output"]
    if folder is None:
        folder, name = result.path.parent, name.relative_to(result.name.parent)
    return folder / name.with_name(f"{name.name}{CLEANED}")


def write_cleaned(
    stem: Path,
    masks: MaskSet,
    result: Result,
    options: dict[str, Any],
    image: Image | None,
    view: View | None,
    name: str,
    facts: dict[str, Any],
) -> Path:
    """Write cleaned masks in the chosen form; return the file to name."""
    from anymask.files import check_free
    from anymask.io.results import BINARY, LABELS, SUFFIXES, result_path
    from anymask.io.write_masks import save_masks

    if options["binary"]:
        target = result_path(stem.with_name(stem.name.removesuffix(CLEANED)), BINARY)
        check_free(target, options["overwrite"])
        _write_binary(target, masks)
        return target
    if options["to"] is not None:
        target = result_path(stem, _ending(options["to"]))
        check_free(target, options["overwrite"])
        known = name if image is None else image
        save_masks(masks, target, options["to"], image=known, overwrite=True, **facts)
        return target
    for suffix in SUFFIXES:
        check_free(result_path(stem, suffix), options["overwrite"])
    _write_results(stem, masks, result, image, view, name, facts)
    return result_path(stem, LABELS)


def _write_results(
    stem: Path,
    masks: MaskSet,
    result: Result,
    image: Image | None,
    view: View | None,
    name: str,
    facts: dict[str, Any],
) -> None:
    """Write what 'anymask everything' writes, with its record of how the masks were found."""
    from anymask.io.recorded_view import recorded
    from anymask.io.results import write_results
    from anymask.io.view import View

    seen = None
    if image is not None:
        view = view or View()
        seen, _ = view.picture(image, next(iter(view.recipes), None))
    write_results(
        stem,
        seen,
        masks,
        image_name=name if image is None or image.path is None else image.path.name,
        info=recorded(result.path),
        pixel_size=facts.get("pixel_size", image.pixel_size if image else None),
        unit=facts.get("unit", image.unit if image else None),
        geo=facts.get("geo_reference", image.geo if image else None),
    )


def _write_binary(path: Path, masks: MaskSet) -> None:
    """Write all masks as one image, white where there is an object."""
    import numpy as np

    from anymask.files import whole_file
    from anymask.io.results import save_png

    with whole_file(path) as part:
        save_png(part, (masks.to_labels() > 0).astype(np.uint8) * 255)


def _ending(to: str) -> str:
    from anymask.io.registry import format_named

    form = format_named(to)
    return {"coco": ".masks", "labels": ".labels"}.get(form.name, "") + form.suffix
