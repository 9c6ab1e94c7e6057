"""Splits: shares, groups, seeds, and the split file."""

from __future__ import annotations

import json
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymask.datasets import Split, open_dataset, read_split, write_split
from anymask.datasets.grouping import divide
from anymask.errors import AnymaskError, ImageError
from tests.datasets.drawn_sets import noise, save, two_discs, write_pairs


@pytest.fixture
def forty(tmp_path):
    """Three sets of 20, 15 and 5 images."""
    for first, (name, count) in enumerate((("a", 20), ("b", 15), ("c", 5))):
        write_pairs(tmp_path / "sets" / name, count, first=100 * first)
    return open_dataset(tmp_path / "sets")


def write_named(folder, names, seed=0):
    for i, name in enumerate(names):
        save(folder / "images" / f"{name}.png", noise(seed + i, two_discs()))
        save(folder / "masks" / f"{name}.png", two_discs())
    return folder


def test_a_split_holds_out_the_given_share_of_every_set(forty):
    train, validation = forty.split(0.2)
    assert sorted(train.keys + validation.keys) == sorted(forty.keys)
    assert [sum(k.startswith(s) for k in validation.keys) for s in "abc"] == [4, 3, 1]


def test_a_split_depends_on_the_seed_only(forty):
    held_out = [forty.split(0.2, seed)[1].keys for seed in (0, 0, 1, 2)]
    assert held_out[0] == held_out[1]
    assert len({tuple(keys) for keys in held_out}) == 3


def test_no_patient_is_in_both_halves(tmp_path):
    names = [f"p{patient}_{view}" for patient in range(10) for view in range(1 + patient % 3)]
    dataset = open_dataset(write_named(tmp_path, names))
    for seed in range(20):
        halves = dataset.split(0.3, seed, group=r"(p\d+)_")
        patients = [{key.split("/")[1].split("_")[0] for key in half.keys} for half in halves]
        assert not patients[0] & patients[1]
        assert len(patients[0] | patients[1]) == 10
        assert 4 <= len(halves[1]) <= 8  # of 19, 0.3 are 6


def test_no_folder_is_in_both_halves(tmp_path):
    for plate in range(5):
        write_named(tmp_path / "images_of" / f"plate{plate}", ["x", "y", "z"], seed=10 * plate)
    train, validation = open_dataset(tmp_path / "images_of").split(0.2, group="folder")
    assert len(set(validation.set_names)) == 1
    assert (len(train), len(validation)) == (12, 3)


def test_exact_copies_stay_together_and_near_copies_with_alike(tmp_path):
    write_pairs(tmp_path / "set", 6)
    for i in range(6):
        for place in ("images", "masks"):
            folder = tmp_path / "set" / place
            shutil.copy(folder / f"{i:02}.png", folder / f"copy{i:02}.png")
    dataset = open_dataset(tmp_path / "set")
    for seed in range(10):
        held_out = {key[-2:] for key in dataset.split(0.3, seed)[1].keys}
        assert held_out.isdisjoint(key[-2:] for key in dataset.split(0.3, seed)[0].keys)
    for i in range(6):  # brighter copies are not the same to the pixel
        path = tmp_path / "set" / "images" / f"copy{i:02}.png"
        save(path, noise(i, two_discs(i % 5)) // 2 + 40)
    dataset = open_dataset(tmp_path / "set")
    for seed in range(10):
        train, validation = dataset.split(0.3, seed, group="alike")
        assert {k[-2:] for k in train.keys}.isdisjoint(k[-2:] for k in validation.keys)
    divided = [
        {k[-2:] for k in train.keys} & {k[-2:] for k in validation.keys}
        for train, validation in (dataset.split(0.3, seed) for seed in range(10))
    ]
    assert any(divided)


@given(
    groups=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 30)), min_size=2, max_size=60),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 9),
)
def test_with_any_groups_both_halves_have_images_and_no_group_is_divided(groups, fraction, seed):
    sets = [f"set{first % 3}" for first, _ in groups]
    try:
        chosen = set(divide(groups, [], sets, fraction, seed))
    except AnymaskError:
        # Items are tied by either label: with one knot there is nothing to divide.
        knot = {0}
        while more := {
            i
            for i, (a, b) in enumerate(groups)
            if i not in knot and any(a == groups[j][0] or b == groups[j][1] for j in knot)
        }:
            knot |= more
        assert len(knot) == len(groups)
        return
    assert 0 < len(chosen) < len(groups)
    for place in (0, 1):
        halves = [
            {groups[i][place] for i in range(len(groups)) if (i in chosen) == h} for h in (0, 1)
        ]
        assert not halves[0] & halves[1]


def test_two_images_give_one_each_and_one_image_is_refused(tmp_path):
    train, validation = open_dataset(write_pairs(tmp_path / "two", 2)).split(0.01)
    assert (len(train), len(validation)) == (1, 1)
    train, validation = open_dataset(tmp_path / "two").split(0.99)
    assert (len(train), len(validation)) == (1, 1)
    with pytest.raises(AnymaskError, match="There is only 1 image, but a split needs at least 2"):
        open_dataset(write_pairs(tmp_path / "one", 1)).split()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"fraction": 1.0}, "between 0 and 1"),
        ({"group": "("}, "not a regular expression"),
        ({"group": "patient"}, "0 pairs of parentheses"),
        ({"group": "(p)(q)"}, "2 pairs of parentheses"),
        ({"group": r"(p\d)"}, "not found in the image name '00'"),
        ({"group": "(0)"}, "all in one group"),
        ({"group": "folder"}, "all in one group"),
    ],
)
def test_an_impossible_split_is_refused_with_a_sentence(tmp_path, options, says):
    dataset = open_dataset(write_pairs(tmp_path / "set", 4))
    with pytest.raises(AnymaskError, match=says):
        dataset.split(**options)


def test_a_saved_split_is_read_back_and_divides_the_data_as_before(forty, tmp_path):
    train, validation = forty.split(0.25, 7)
    path = tmp_path / "split.json"
    written = write_split(path, train, validation, seed=7, fraction=0.25)
    assert list(json.loads(path.read_text())) == [
        "seed",
        "group",
        "fraction",
        "train",
        "validation",
    ]
    assert read_split(path) == written
    again = read_split(path).halves(forty)
    assert [half.keys for half in again] == [train.keys, validation.keys]
    with pytest.raises(AnymaskError, match="which is not in the data set"):
        read_split(path).halves(train)


def test_split_json_in_the_folder_selects_the_half(tmp_path):
    place = write_pairs(tmp_path / "set", 10)
    train, validation = open_dataset(place).split(0.3)
    write_split(place / "split.json", train, validation)
    assert open_dataset(place, split="train").keys == train.keys
    assert open_dataset(place, split="validation").keys == validation.keys
    assert open_dataset(place).declared_split == Split(tuple(train.keys), tuple(validation.keys))
    (place / "images" / f"{validation.keys[0][-2:]}.png").unlink()
    with pytest.raises(ImageError, match=f"names {validation.keys[0]}, which have no image"):
        open_dataset(place, split="train")
    with pytest.warns(UserWarning, match="1 file without its image is left out"):
        assert len(open_dataset(place)) == 9


def test_folders_named_train_and_val_are_the_halves(tmp_path):
    write_pairs(tmp_path / "roboflow" / "train", 3)
    write_pairs(tmp_path / "roboflow" / "valid", 2, first=10)
    write_pairs(tmp_path / "roboflow" / "test", 1, first=20)
    train = open_dataset(tmp_path / "roboflow", split="train")
    assert train.keys == ["train/00", "train/01", "train/02"]
    assert open_dataset(tmp_path / "roboflow", split="validation").keys == ["valid/10", "valid/11"]
    declared = open_dataset(tmp_path / "roboflow").declared_split
    assert (len(declared.train), len(declared.validation)) == (3, 2)
    for half, first in (("train", 0), ("val", 5)):
        for kind in ("images", "masks"):
            source = write_pairs(tmp_path / "source", 2, first=first) / kind
            shutil.copytree(source, tmp_path / "nested" / kind / half)
        shutil.rmtree(tmp_path / "source")
    assert open_dataset(tmp_path / "nested", split="train").keys == [
        "nested/train/00",
        "nested/train/01",
    ]


def test_half_of_an_undivided_data_set_is_refused(tmp_path):
    place = write_pairs(tmp_path / "set", 3)
    assert open_dataset(place).declared_split is None
    with pytest.raises(ImageError, match=r"neither split\.json nor folders train"):
        open_dataset(place, split="train")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "cannot be read as a split"),
        ('{"train": []}', "cannot be read as a split"),
        ('{"train": "abc", "validation": []}', "cannot be read as a split"),
        ('{"train": ["a/b"], "validation": ["a/b"]}', "names a/b twice"),
    ],
)
def test_a_damaged_split_file_is_refused_with_a_sentence(tmp_path, text, says):
    path = tmp_path / "split.json"
    path.write_text(text)
    with pytest.raises(ImageError, match=says):
        read_split(path)
