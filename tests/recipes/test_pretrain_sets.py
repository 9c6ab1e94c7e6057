"""Which images of which folders are for training, and which are held out."""

from __future__ import annotations

from pathlib import Path

import pytest

from anymask.errors import ImageError
from recipes.small.cache import find_sources, split
from recipes.small.run import validation_examples
from tests.recipes.disk_sets import write_disks


def _names(sources):
    return [source.name for source in sources]


def test_an_eighth_of_an_unknown_set_is_held_out_by_image_names(tmp_path: Path) -> None:
    write_disks(tmp_path / "mine", 80)
    sources = find_sources([tmp_path])
    train, held_out = split(sources)
    assert sorted(_names(train + held_out)) == sorted(_names(sources))
    assert 4 <= len(held_out) <= 18
    # The choice does not depend on the folder, the order, or other images.
    again = write_disks(tmp_path / "elsewhere" / "renamed", 80)
    _, moved = split(find_sources([again])[::-1])
    assert {s.image.name for s in moved} == {s.image.name for s in held_out}
    (tmp_path / "mine" / "images" / train[0].image.name).unlink()
    assert _names(split(find_sources([tmp_path / "mine"]))[1]) == _names(held_out)


def test_at_least_one_and_at_most_sixty_images_of_a_set_are_held_out(tmp_path: Path) -> None:
    write_disks(tmp_path / "one", 1)
    write_disks(tmp_path / "two", 2)
    large = write_disks(tmp_path / "large", 0)
    for i in range(700):
        (large / "images" / f"{i}.png").touch()
        (large / "masks" / f"{i}.png").touch()
    train, held_out = split(find_sources([tmp_path]))

    def count(sources, name):
        return sum(s.set_name == name for s in sources)

    assert (count(train, "one"), count(held_out, "one")) == (1, 0)
    assert (count(train, "two"), count(held_out, "two")) == (1, 1)
    assert (count(train, "large"), count(held_out, "large")) == (640, 60)


def test_listed_sets_are_divided_only_as_listed(tmp_path: Path) -> None:
    balloon = write_disks(tmp_path / "balloon", 20)
    for folder in ("images", "masks"):
        (balloon / folder / "3.png").rename(balloon / folder / "489752654_777853a0ba_b.png")
    _, held_out = split(find_sources([tmp_path]))
    assert _names(held_out) == ["balloon/489752654_777853a0ba_b"]


def test_held_out_images_are_found_whatever_the_name_in_set_json(tmp_path: Path) -> None:
    write_disks(tmp_path / "folder", 6, name="another name")
    write_disks(tmp_path / "deep" / "below" / "nested", 6)
    _, held_out = split(find_sources([tmp_path]))
    examples = validation_examples([tmp_path], {s.name for s in held_out}, None)
    assert [f"{e.set_name}/{e.name}" for e in examples] == sorted(_names(held_out))
    assert all(len(example.masks) == 1 for example in examples)


def test_two_sets_with_the_same_name_get_different_names_in_evaluations(tmp_path: Path) -> None:
    places = [write_disks(tmp_path / place / "cells", 6) for place in ("a", "b")]
    _, held_out = split(find_sources(places))
    examples = validation_examples(places, {s.name for s in held_out})
    assert sorted({e.set_name for e in examples}) == ["cells", "cells (2)"]
    assert len(examples) == len(held_out)


def test_a_set_given_twice_counts_once(tmp_path: Path) -> None:
    folder = write_disks(tmp_path / "cells", 6)
    assert len(find_sources([tmp_path, folder, folder / ".." / "cells"])) == 6


def test_sets_linked_into_one_folder_are_found(tmp_path: Path) -> None:
    folder = write_disks(tmp_path / "elsewhere" / "cells", 6)
    (tmp_path / "sets").mkdir()
    try:
        (tmp_path / "sets" / "cells").symlink_to(folder, target_is_directory=True)
    except OSError:
        pytest.skip("this system makes no links without rights")
    assert len(find_sources([tmp_path / "sets"])) == 6


@pytest.mark.parametrize("beside", [True, False])
def test_a_linked_set_keeps_its_own_name(tmp_path: Path, beside: bool) -> None:
    given = tmp_path if beside else tmp_path / "given"
    given.mkdir(exist_ok=True)
    folder = write_disks(tmp_path / "wbc", 6)
    try:
        (given / "alias").symlink_to(folder, target_is_directory=True)
    except OSError:
        pytest.skip("this system makes no links without rights")
    names = [source.set_name for source in find_sources([given])]
    assert names == 6 * ["wbc"]


def test_masks_may_be_tiff(tmp_path: Path) -> None:
    write_disks(tmp_path / "cells", 3, mask_suffix=".tiff")
    assert [s.labels.name for s in find_sources([tmp_path])] == ["0.tiff", "1.tiff", "2.tiff"]


def test_the_error_for_a_set_without_masks_says_which_names_to_use(tmp_path: Path) -> None:
    folder = write_disks(tmp_path / "cells", 3)
    for path in (folder / "masks").iterdir():
        path.rename(path.with_name(f"{path.stem}_mask.png"))
    with pytest.raises(ImageError, match=r"cells/images has a mask; .* masks/0\.png or \.tif\.$"):
        find_sources([tmp_path])


@pytest.mark.parametrize("missing", ["images", "masks"])
def test_a_set_without_one_of_its_folders_raises_an_error(tmp_path: Path, missing: str) -> None:
    folder = write_disks(tmp_path / "cells", 1)
    (folder / missing).rename(folder / "other")
    with pytest.raises(ImageError, match=rf"cells has a set\.json but no folder {missing}/"):
        find_sources([tmp_path])
