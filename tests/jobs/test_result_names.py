"""No two images share the names of their results."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymask.jobs.inputs import gather
from anymask.jobs.result_names import output_names


def names(*pairs: tuple[str, str]) -> list[str]:
    return [n.as_posix() for n in output_names([(Path(p), Path(r)) for p, r in pairs])]


def test_an_image_alone_loses_its_suffix():
    assert names(("/x/a.png", "a.png"), ("/x/b.tif", "b.tif")) == ["a", "b"]


def test_only_the_last_suffix_goes():
    assert names(("/x/scan.v2.png", "scan.v2.png")) == ["scan.v2"]


def test_images_of_one_stem_keep_their_suffixes():
    assert names(("/x/a.png", "a.png"), ("/x/a.jpg", "a.jpg")) == ["a.png", "a.jpg"]


def test_images_of_one_file_name_get_their_folder():
    assert names(("/x/a.png", "a.png"), ("/y/a.png", "a.png")) == ["x/a.png", "y/a.png"]


def test_images_below_a_folder_keep_their_place():
    assert names(("/x/s/a.png", "s/a.png"), ("/x/t/a.png", "t/a.png")) == ["s/a", "t/a"]


def test_names_that_differ_in_case_alone_count_as_one():
    assert names(("/x/a.png", "a.png"), ("/x/A.jpg", "A.jpg")) == ["a.png", "A.jpg"]
    assert names(("/x/a.png", "a.png"), ("/x/A.png", "A.png")) == ["x/a.png", "x/A.png-2"]


def test_a_stem_that_is_another_ones_full_name_does_not_clash():
    found = names(("/x/a.png", "a.png"), ("/x/a.jpg", "a.jpg"), ("/x/a.png.tif", "a.png.tif"))
    assert found == ["x/a.png", "a.jpg", "a.png.tif"]


parts = st.sampled_from(["a", "A", "b", "a.png", "b-2"])
paths = st.tuples(st.lists(parts, max_size=3), parts, st.sampled_from([".png", ".jpg", ".tif"]))


@given(st.lists(paths, unique_by=repr, max_size=12), st.integers(0, 3))
def test_names_are_unique_whatever_the_images(found, depth):
    pairs = {}
    for folders, stem, suffix in found:
        path = Path("/in", *folders, stem + suffix)
        pairs[path] = Path(*path.parts[max(1, len(path.parts) - 1 - depth) :])
    result = output_names(list(pairs.items()))
    assert len({name.as_posix().casefold() for name in result}) == len(pairs)
    assert not any(name.is_absolute() or ".." in name.parts for name in result)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    for name in ("b.png", "a.png", "sub/c.png", "notes.txt", "a.overlay.png", "a.labels.tif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_folder_stands_for_the_images_in_it_without_anymasks_own(folder):
    inputs = gather([str(folder)])
    assert [(p.path.name, p.name.as_posix()) for p in inputs.items] == [
        ("a.png", "a"),
        ("b.png", "b"),
    ]
    assert inputs.own_results == 2


def test_a_pattern_keeps_the_folders_below_its_fixed_part(folder):
    for pattern in ("**/*.png", str(folder / "**" / "*.png"), "./**/*.png"):
        inputs = gather([pattern])
        assert [p.name.as_posix() for p in inputs.items] == ["a", "b", "sub/c"]


def test_an_image_named_twice_is_taken_once(folder):
    inputs = gather(["a.png", str(folder / "a.png"), ".", "sub/../a.png"])
    assert [p.path.name for p in inputs.items] == ["a.png", "b.png"]


def test_arguments_without_an_image_are_kept_with_their_reason(folder):
    inputs = gather(["missing.png", "notes.txt", "a.png"])
    assert [p.path.name for p in inputs.items] == ["a.png"]
    assert [argument for argument, _ in inputs.unusable] == ["missing.png", "notes.txt"]
    assert "no file or folder missing.png" in inputs.unusable[0][1]
