"""A label image that was corrected beside the JSON file of the same result is believed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import tifffile

from anymask.errors import ImageError
from anymask.io.corrected import newest_masks
from anymask.io.read_masks import load_masks
from anymask.io.results import JSON, LABELS, result_path, write_results
from anymask.masks.mask_set import MaskSet
from anymask.notices import noticing

BIG, SMALL, HIDDEN, OTHER = (np.zeros((20, 30), bool) for _ in range(4))
BIG[2:12, 2:12] = True
SMALL[5:9, 5:9] = True  # on top of BIG
HIDDEN[5:9, 5:9] = True  # below SMALL, which has as many pixels
OTHER[15:18, 20:28] = True


@pytest.fixture
def stem(tmp_path: Path) -> Path:
    masks = MaskSet.from_masks(
        np.stack([BIG, HIDDEN, SMALL, OTHER]),
        predicted_iou=[0.9, 0.8, 0.7, 0.6],
        object_ids=[1, 2, 3, 4],
        class_names=["leaf", "leaf", "spot", "stem"],
    )
    write_results(tmp_path / "a", np.zeros((20, 30, 3), np.uint8), masks, image_name="a.png")
    return tmp_path / "a"


def newest(stem: Path) -> tuple[MaskSet, str | None]:
    path = result_path(stem, JSON)
    with noticing() as notices:
        masks = newest_masks(path, load_masks(path))
    return masks, notices[0] if notices else None


def stack_of(masks: MaskSet) -> np.ndarray:
    return np.stack([mask for mask in masks])


def edit_labels(stem: Path, **ids: int) -> np.ndarray:
    """Renumber objects in the label image, as another program would, into another TIFF."""
    labels = tifffile.imread(result_path(stem, LABELS))
    for old, new in ids.items():
        labels[labels == int(old.removeprefix("id"))] = new
    tifffile.imwrite(result_path(stem, LABELS), labels.astype(np.int32))
    return labels


def edit_json(stem: Path, *, forget: bool = False) -> None:
    """Remove the last mask from the JSON file, or the record of the label image."""
    path = result_path(stem, JSON)
    content = json.loads(path.read_text())
    if forget:
        del content["info"]["labels_sha256"]
    else:
        content["annotations"].pop()
    path.write_text(json.dumps(content))


def touch(stem: Path, suffix: str, seconds: float) -> None:
    other = result_path(stem, JSON if suffix == LABELS else LABELS).stat().st_mtime
    os.utime(result_path(stem, suffix), (other + seconds, other + seconds))


def test_what_nobody_changed_is_read_whole_from_the_json_file(stem: Path) -> None:
    edit_labels(stem)  # saved again by another program, pixels unchanged
    touch(stem, LABELS, 1000)
    masks, note = newest(stem)
    assert (masks.ids.tolist(), note) == ([1, 2, 3, 4], None)


@pytest.mark.parametrize("seconds", [-1000, 0, 1000])
def test_an_object_deleted_from_the_label_image_is_gone_whatever_the_times(
    stem: Path, seconds: float
) -> None:
    edit_labels(stem, id4=0)
    touch(stem, LABELS, seconds)
    masks, note = newest(stem)
    assert masks.ids.tolist() == [1, 2, 3]
    assert "a.labels.tif was corrected after a.masks.json, so its 3 masks are used" in (note or "")
    # What the label image still shows as it was is whole, with its scores and class.
    np.testing.assert_array_equal(stack_of(masks), [BIG, HIDDEN, SMALL])
    assert masks.predicted_iou.tolist() == pytest.approx([0.9, 0.8, 0.7])
    assert masks.class_names == ("leaf", "leaf", "spot")


def test_a_repainted_object_has_its_new_pixels_and_its_class(stem: Path) -> None:
    labels = edit_labels(stem, id4=0)
    labels[16, 20:28] = 4
    labels[19, 0:3] = 9
    tifffile.imwrite(result_path(stem, LABELS), labels)
    masks, _ = newest(stem)
    assert masks.ids.tolist() == [1, 2, 3, 4, 9]
    np.testing.assert_array_equal(stack_of(masks)[3], labels == 4)
    assert masks.class_names == ("leaf", "leaf", "spot", "stem", "")
    assert np.isnan(masks.predicted_iou[3:]).all()


def test_a_changed_json_file_is_believed_and_said(stem: Path) -> None:
    edit_json(stem)
    masks, note = newest(stem)
    assert masks.ids.tolist() == [1, 2, 3]
    assert note == "a.masks.json was changed after a.labels.tif, so its masks are used."


def test_if_both_were_changed_the_user_decides(stem: Path) -> None:
    edit_json(stem)
    edit_labels(stem, id1=0)
    with pytest.raises(ImageError, match=r"Both .* move away the one that is wrong"):
        newest(stem)


@pytest.mark.parametrize(("seconds", "ids"), [(60, [1, 2, 3]), (0, [1, 2, 3]), (-60, [1, 2, 3, 4])])
def test_results_without_a_record_go_by_the_times_of_files(
    stem: Path, seconds: float, ids: list[int]
) -> None:
    edit_json(stem, forget=True)
    edit_labels(stem, id4=0)
    touch(stem, LABELS, seconds)
    masks, note = newest(stem)
    assert masks.ids.tolist() == ids
    assert note is not None


def test_a_label_image_of_another_size_corrects_nothing(stem: Path) -> None:
    tifffile.imwrite(result_path(stem, LABELS), np.ones((5, 5), np.uint8))
    masks, note = newest(stem)
    assert len(masks) == 4
    assert "5×5" in (note or "")
