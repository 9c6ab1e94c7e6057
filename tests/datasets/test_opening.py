"""Opening data sets: what is used, what is left out with a warning, what is refused."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from PIL import Image

from anymask.datasets import open_dataset
from anymask.errors import AnymaskError, ImageError
from tests.datasets.drawn_sets import (
    HEIGHT,
    WIDTH,
    disc,
    noise,
    save,
    two_discs,
    white,
    write_busi,
    write_pairs,
)


@pytest.fixture
def twenty(tmp_path):
    return write_pairs(tmp_path / "cells", 20)


def open_quietly(*places, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return open_dataset(*places, **options)


def test_a_good_set_opens_without_a_warning_and_gives_images_and_masks(twenty):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = open_dataset(twenty)
    assert (len(dataset), dataset.set_names, dataset.classes) == (20, ["cells"], ())
    labels = two_discs(shift=3)
    np.testing.assert_array_equal(dataset[3].image, noise(3, labels))
    np.testing.assert_array_equal(dataset[3].masks, [labels == 1, labels == 2])
    assert dataset[3].class_ids == ()
    assert dataset.keys[3] == "cells/03"
    assert dataset.records[3].areas == ((labels == 1).sum(), (labels == 2).sum())


def test_progress_is_reported_for_each_image(twenty):
    told = []
    open_dataset(twenty, progress=lambda done, total: told.append((done, total)))
    assert told == [(i, 20) for i in range(1, 21)]


def test_several_mask_files_of_an_image_are_several_objects(tmp_path):
    with pytest.warns(UserWarning, match=r"1 of 5 images .*contain no object: normal/normal \(1\)"):
        dataset = open_dataset(write_busi(tmp_path / "BUSI"))
    assert dataset.set_names == ["benign", "malignant"]
    lesions = {example.name: example.masks for example in dataset}
    assert [len(masks) for masks in lesions.values()] == [1, 3, 1, 1]
    np.testing.assert_array_equal(
        lesions["benign (2)"], [disc(10, 20, 8), disc(30, 20, 8), disc(50, 20, 8)]
    )


def test_an_object_in_two_pieces_stays_one_if_files_separate_objects(tmp_path):
    torn = disc(10, 10, 6) | disc(50, 30, 6)
    save(tmp_path / "a.png", noise(0, torn))
    save(tmp_path / "a_mask.png", white(torn))
    save(tmp_path / "a_mask_1.png", white(disc(30, 20, 5)))
    assert len(open_dataset(tmp_path)[0].masks) == 2
    assert len(open_dataset(tmp_path, objects="components")[0].masks) == 3


def test_a_few_bad_files_are_named_and_skipped(twenty):
    save(twenty / "masks" / "04.png", two_discs()[:-1])
    (twenty / "images" / "07.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    with pytest.warns(UserWarning, match="2 of 20 images cannot be used") as caught:
        dataset = open_dataset(twenty)
    told = str(caught[0].message)
    assert f"mask of {twenty / 'images' / '04.png'} is {WIDTH}×{HEIGHT - 1} pixels" in told
    assert str(twenty / "images" / "07.png") in told
    assert len(dataset) == 18
    assert {"cells/04", "cells/07"}.isdisjoint(dataset.keys)
    assert [bad.name for bad in dataset.left_out.skipped] == ["04", "07"]


def test_more_than_a_tenth_of_bad_files_is_refused(twenty):
    for i in range(3):
        save(twenty / "masks" / f"{i:02}.png", two_discs()[:, :-1])
    with pytest.raises(ImageError, match=r"3 of 20 images cannot be used \(00: .*more than 10%"):
        open_dataset(twenty)
    assert len(open_quietly(twenty, max_bad=0.15)) == 17


def test_the_same_problem_is_described_once_and_other_images_are_named(twenty):
    for i in (1, 3, 4):
        save(twenty / "masks" / f"{i:02}.png", two_discs()[:, :-1])
    (twenty / "images" / "08.png").write_bytes(b"no picture")
    with pytest.raises(ImageError) as refused:
        open_dataset(twenty)
    said = str(refused.value)
    assert said.startswith("4 of 20 images cannot be used (01: ")
    assert said.count("give masks at the image's size; likewise 03, 04; 08: ") == 1


def test_coloured_masks_are_refused_with_the_reason(tmp_path):
    for i in range(4):
        save(tmp_path / "images" / f"{i}.png", noise(i, two_discs()))
        save(tmp_path / "masks" / f"{i}.png", noise(9, two_discs()))
    with pytest.raises(ImageError, match=r"4 of 4 images.*masks must have one channel"):
        open_dataset(tmp_path)


def test_empty_masks_are_named_and_only_empty_masks_are_refused(twenty):
    for i in range(19):
        save(twenty / "masks" / f"{i:02}.png", np.zeros((HEIGHT, WIDTH), np.uint8))
    with pytest.warns(UserWarning, match="19 of 20 images.*cells/00, .* and 14 more"):
        assert open_dataset(twenty).keys == ["cells/19"]
    with pytest.raises(ImageError, match="None of the images has an object"):
        open_dataset(twenty, min_area=100_000)


def test_a_single_image_opens_and_no_image_is_refused(tmp_path):
    assert len(open_dataset(write_pairs(tmp_path / "one", 1))) == 1
    (tmp_path / "none" / "images").mkdir(parents=True)
    (tmp_path / "none" / "masks").mkdir()
    with pytest.raises(ImageError, match="No image with masks"):
        open_dataset(tmp_path / "none")
    with pytest.raises(AnymaskError, match="No data set was given"):
        open_dataset()


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ({"split": "test"}, "'train', 'validation' or None"),
        ({"objects": "things"}, "'auto', 'ids', 'components', 'classes'"),
        ({"max_bad": 10}, "from 0 to 1"),
        ({"classes": "leaf"}, "a list of names"),
        ({"classes": ["leaf", "leaf"]}, "each once"),
    ],
)
def test_an_invalid_option_is_refused(twenty, option, says):
    with pytest.raises(AnymaskError, match=says):
        open_dataset(twenty, **option)


def write_classes(folder, values):
    """Write one image for each pair of label values."""
    for i, (left, right) in enumerate(values):
        labels = two_discs()
        shown = np.select([labels == 1, labels == 2], [left, right], 0).astype(np.uint8)
        save(folder / "images" / f"{i}.png", noise(i, labels))
        save(folder / "masks" / f"{i}.png", shown)
    return folder


def test_label_values_can_be_classes_with_one_object_each(tmp_path):
    folder = write_classes(tmp_path, [(1, 3), (3, 3), (0, 0)])
    (folder / "classes.txt").write_text("root\nstem\nleaf\n")
    dataset = open_dataset(folder, objects="classes")
    assert dataset.classes == ("root", "stem", "leaf")
    assert [example.class_ids for example in dataset] == [(0, 2), (2,), ()]
    np.testing.assert_array_equal(dataset[1].masks, [two_discs() > 0])
    assert dataset.records[0].classes == ("root", "leaf")


def test_undeclared_classes_are_named_by_their_values(tmp_path):
    dataset = open_dataset(write_classes(tmp_path, [(10, 2), (2, 2)]), objects="classes")
    assert dataset.classes == ("2", "10")
    assert [example.class_ids for example in dataset] == [(0, 1), (0,)]


def test_an_undeclared_class_is_named_and_refused(tmp_path):
    folder = write_classes(tmp_path, [(1, 2), (1, 7)])
    with pytest.raises(
        ImageError, match=r"1 of 2 images.*class 7.*declared classes are root, stem"
    ):
        open_dataset(folder, objects="classes", classes=["root", "stem"])
    kept = open_quietly(folder, objects="classes", classes=["root", "stem"], max_bad=0.5)
    assert kept.keys == [f"{tmp_path.name}/0"]


def test_white_is_a_class_in_binary_masks_and_unlabelled_among_low_values(tmp_path):
    binary = open_dataset(write_classes(tmp_path / "binary", [(255, 0)] * 2), objects="classes")
    assert (binary.classes, binary[0].class_ids) == (("1",), (0,))
    named = open_dataset(tmp_path / "binary", objects="classes", classes=["lesion"])
    assert (named.classes, named[0].class_ids) == (("lesion",), (0,))
    with_void = write_classes(tmp_path / "voc", [(1, 255), (2, 255)])
    dataset = open_dataset(with_void, objects="classes")
    assert dataset.classes == ("1", "2")
    np.testing.assert_array_equal(dataset[0].masks, [two_discs() == 1])
    assert dataset.records[0].areas == ((two_discs() == 1).sum(),)


def test_classes_txt_only_names_label_values(tmp_path):
    folder = write_classes(tmp_path, [(1, 2)])
    (folder / "classes.txt").write_text("root\nroot\n")
    assert open_dataset(folder).classes == ()
    with pytest.raises(ImageError, match="declares a class twice"):
        open_dataset(folder, objects="classes")


def test_places_that_declare_different_classes_are_refused(tmp_path):
    for name in ("a", "b"):
        write_classes(tmp_path / name, [(1, 2)])
        (tmp_path / name / "classes.txt").write_text(f"root\n{name}\n")
    with pytest.raises(ImageError, match="different classes than the previous place"):
        open_dataset(tmp_path / "a", tmp_path / "b", objects="classes")


def write_coco(folder, categories, category_ids):
    """Write one image with two boxes for objects."""
    save(folder / "a.png", noise(0, two_discs()))
    boxes = ([[4, 4, 20, 4, 20, 20, 4, 20]], [[30, 10, 50, 10, 50, 30, 30, 30]])
    annotations = [
        {"id": i, "image_id": 1, "category_id": c, "segmentation": box}
        for i, (c, box) in enumerate(zip(category_ids, boxes, strict=True))
    ]
    images = [{"id": 1, "file_name": "a.png", "height": HEIGHT, "width": WIDTH}]
    data = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "all.json").write_text(json.dumps(data))
    return folder


def test_coco_categories_are_classes(tmp_path):
    categories = [{"id": 18, "name": "dog"}, {"id": 3, "name": "car"}, {"id": 4, "name": "cat"}]
    dataset = open_dataset(write_coco(tmp_path, categories, [18, 3]))
    assert dataset.classes == ("car", "dog")
    assert dataset[0].class_ids == (1, 0)
    declared = open_dataset(tmp_path, classes=["dog", "cat", "car"])
    assert declared[0].class_ids == (0, 2)
    (one,) = open_dataset(write_coco(tmp_path, categories, [3, 3]), objects="classes")
    assert (one.class_ids, one.masks[0].sum()) == ((0,), 16 * 16 + 20 * 20)


def test_an_annotation_with_an_undeclared_category_is_refused(tmp_path):
    with pytest.raises(ImageError, match=r"Annotation 1 of .* has the category 5"):
        open_dataset(write_coco(tmp_path, [{"id": 1, "name": "dog"}], [1, 5]))


def test_the_fingerprint_changes_only_with_pixels_masks_and_names(twenty, tmp_path):
    before = open_dataset(twenty)
    assert before.fingerprint() == open_dataset(twenty).fingerprint()
    assert before.subset(range(19, -1, -1)).fingerprint() == before.fingerprint()
    seen = {before.fingerprint(), before.subset(range(19)).fingerprint()}
    moved = tmp_path / "elsewhere" / "cells"
    moved.parent.mkdir()
    twenty.rename(moved)
    assert open_dataset(moved).fingerprint() == before.fingerprint()
    mask = moved / "masks" / "05.png"
    labels = np.asarray(Image.open(mask)).copy()
    labels[0, 0] = 1
    save(mask, labels)
    seen.add(open_dataset(moved).fingerprint())
    image = moved / "images" / "05.png"
    pixels = np.asarray(Image.open(image)).copy()
    pixels[0, 0, 0] ^= 1
    save(image, pixels)
    seen.add(open_dataset(moved).fingerprint())
    image.rename(image.with_name("x.png"))
    mask.rename(mask.with_name("x.png"))
    seen.add(open_dataset(moved).fingerprint())
    assert len(seen) == 5


def test_images_that_differ_only_in_their_suffix_get_unique_names(tmp_path):
    for suffix in (".png", ".bmp"):
        save(tmp_path / "images" / f"a{suffix}", noise(len(suffix), two_discs()))
    save(tmp_path / "masks" / "a.png", two_discs())
    keys = open_dataset(tmp_path).keys
    assert [key.split("/")[1] for key in keys] == ["a.bmp", "a.png"]


def test_slices_and_subsets_are_data_sets_with_the_same_classes(tmp_path):
    dataset = open_dataset(write_classes(tmp_path, [(1, 2), (2, 1), (1, 1)]), objects="classes")
    part = dataset[1:]
    assert (len(part), part.classes) == (2, dataset.classes)
    assert part[0].name == dataset[1].name
    assert dataset.subset([2, 0]).keys == [dataset.keys[2], dataset.keys[0]]
