"""Results whose label image was corrected: which of the two files is believed.

``NAME.masks.json`` and ``NAME.labels.tif`` are written together, and the JSON file records the
SHA-256 of the label image's pixels. So each says whether it has been changed since, whatever the
times of the files are. Results of anymask 0.1 lack the record and are told apart by these times.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from anymask.errors import AnymaskError, ImageError
from anymask.io.guards import read_json
from anymask.io.label_images import pixels_sha256
from anymask.io.read_masks import load_masks
from anymask.io.results import JSON, LABELS, LABELS_ZARR, result_path
from anymask.masks.mask_set import MaskSet
from anymask.notices import tell
from anymask.wording import counted

# Modification times of files written together differ by less than this.
_TOGETHER_S = 2.0


def newest_masks(path: Path, masks: MaskSet) -> MaskSet:
    """Take over what was corrected in the label image beside a result.

    Every command that reads masks, and every data set, passes them through this.

    Parameters
    ----------
    path : Path
        The file that the masks were read from; anything but a ``NAME.masks.json`` is taken as it
        is.
    masks : MaskSet
        The masks in it.

    Returns
    -------
    MaskSet
        As the label image shows them where it was corrected, with a notice. Masks that it still
        shows as they were keep their scores, and the pixels that others cover.

    Raises
    ------
    ImageError
        If both files were changed, and do not show the same.
    """
    stem = path.with_name(path.name.removesuffix(JSON))
    beside = result_path(stem, LABELS)
    if not beside.is_file():
        beside = result_path(stem, LABELS_ZARR)
    if not path.name.endswith(JSON) or not beside.exists():
        return masks
    content = read_json(path)
    if not isinstance(content, Mapping) or len(content.get("images") or ()) != 1:
        return masks  # not one image's result, whatever its name
    try:
        labels = load_masks(beside)
    except AnymaskError as error:
        tell(f"{path.name} is used as it is, because its label image is unreadable: {error}")
        return masks
    if labels.image_size != masks.image_size:
        height, width = labels.image_size
        tell(
            f"{path.name} is used as it is, because {beside.name} is {width}×{height} pixels and "
            f"its masks are {masks.image_size[1]}×{masks.image_size[0]}."
        )
        return masks
    shown, found = masks.to_labels(), labels.to_labels()
    if np.array_equal(shown, found):
        return masks
    recorded = _recorded(content)
    if recorded is None:
        corrected = path.stat().st_mtime - beside.stat().st_mtime <= _TOGETHER_S
    else:
        corrected = pixels_sha256(found) != recorded
        if corrected and pixels_sha256(shown) != recorded:
            raise ImageError(
                f"Both {path} and {beside.name} were changed since they were written, and differ; "
                "move away the one that is wrong."
            )
    if not corrected:
        tell(f"{path.name} was changed after {beside.name}, so its masks are used.")
        return masks
    newest = _merged(labels, masks, MaskSet.from_labels(shown))
    tell(
        f"{beside.name} was corrected after {path.name}, so its {counted(len(newest), 'mask')} "
        f"{'is' if len(newest) == 1 else 'are'} used, not the {len(masks)} in the JSON file."
    )
    return newest


def _recorded(content: Mapping[str, Any]) -> str | None:
    """The SHA-256 of the label image when both files were written."""
    info = content.get("info")
    recorded = info.get("labels_sha256") if isinstance(info, Mapping) else None
    return recorded if isinstance(recorded, str) else None


def _merged(labels: MaskSet, whole: MaskSet, shown: MaskSet) -> MaskSet:
    """The masks of a corrected label image, with what only the other file knows of them."""
    before = dict(zip(shown.ids.tolist(), shown.counts, strict=True))
    now = dict(zip(labels.ids.tolist(), labels.counts, strict=True))
    # A mask that others cover wholly is in neither, and has not been deleted.
    same = [
        index
        for index, id_ in enumerate(whole.ids.tolist())
        if np.array_equal(before.get(id_, ()), now.get(id_, ()))
    ]
    kept = whole.with_ids(whole.ids).select(same)
    changed = labels.select(~np.isin(labels.ids, kept.ids))
    if whole.class_names is not None and labels.class_names is None:
        names = dict(zip(whole.ids.tolist(), whole.class_names, strict=True))
        changed = changed.with_class_names([names.get(id_, "") for id_ in changed.ids.tolist()])
    joined = MaskSet.concatenate([kept, changed], labels.image_size)
    return joined.select(np.argsort(joined.ids))
