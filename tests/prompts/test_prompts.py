"""Boxes and points of many objects: what they may be, and where they lie in an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anymask import Image, Prompts
from anymask.errors import PromptError
from anymask.notices import noticing
from anymask.prompts.image_names import images_of_names

NAN = float("nan")


def picture(height: int, width: int, name: str = "a.png", **facts) -> Image:
    return Image(np.zeros((height, width), np.uint8), "YX", path=Path(name), **facts)


def test_objects_are_numbered_in_each_image_unless_they_have_ids():
    boxes = [[0, 0, 5, 5]] * 3
    assert Prompts(boxes).ids.tolist() == [1, 2, 3]
    assert Prompts(boxes, images=["a", "b", "a"]).ids.tolist() == [1, 1, 2]
    assert Prompts(boxes, ids=[7, 300, 9]).select([2, 0]).ids.tolist() == [9, 7]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"boxes": [[5, 5, 1, 9]]}, "object number 1 ends before it begins"),
        ({"boxes": [[5, 5, 9, NAN]]}, "is not a box"),
        ({"boxes": [[5, 5, 9]]}, r"shape \(1, 3\); give N×4"),
        ({"boxes": [[NAN] * 4]}, "The object 1 has neither a box nor a point"),
        ({"point_coords": [[[1, 2]]], "point_labels": [[2]]}, "a label is 1"),
        ({"point_coords": [[[1, NAN]]]}, "not a place"),
        ({"point_coords": [[1, 2]]}, "give N×P×2"),
        ({"boxes": [[0, 0, 1, 1]], "ids": [0]}, "ids begin at 1"),
        ({"boxes": [[0, 0, 1, 1]] * 2, "ids": [3, 3]}, "Two objects have the id 3"),
        ({"boxes": [[0, 0, 1, 1]], "class_names": "cup"}, "give class_names one for each"),
    ],
)
def test_what_cannot_be_a_prompt_is_refused_with_what_is_wrong(columns, words):
    with pytest.raises(PromptError, match=words):
        Prompts(**columns)


def test_prompts_of_one_image_are_found_by_its_name_wherever_the_folders_are():
    prompts = Prompts([[0, 0, 5, 5], [1, 1, 6, 6]], images=["C:\\data\\a.jpg", "b.jpg"])
    assert prompts.of("photos/b.jpg").boxes.tolist() == [[1, 1, 6, 6]]
    assert prompts.for_image(picture(9, 9, "photos/a.jpg")).boxes.tolist() == [[0, 0, 5, 5]]
    with pytest.raises(PromptError, match=r"no prompts for c\.jpg; they are for .*a\.jpg, b\.jpg"):
        prompts.of("c.jpg")


def test_fractions_become_pixels_whose_centres_are_whole_numbers():
    # The right half of an image 10 wide is pixels 5 to 9, whose edges lie at 4.5 and 9.5.
    prompts = Prompts([[0.5 - 0.5, -0.5, 0.5, 0.5]], image_sizes={"": (1, 1)})
    assert prompts.for_image(picture(4, 10)).boxes.tolist() == [[4.5, -0.5, 9.5, 3.5]]


def test_prompts_for_a_copy_of_another_size_are_scaled_and_it_is_said():
    prompts = Prompts(
        [[9.5, 9.5, 29.5, 19.5]],
        [[[19.5, 14.5]]],
        images=["a.png"],
        image_sizes={"a.png": (96, 128)},
    )
    with noticing() as notices:
        placed = prompts.for_image(picture(48, 64))
    assert placed.boxes.tolist() == [[4.5, 4.5, 14.5, 9.5]]
    assert placed.point_coords.tolist() == [[[9.5, 7.0]]]
    assert notices == [
        "a.png: prompts are scaled from 128×96 to 64×48 pixels, the size of the image."
    ]


def test_prompts_for_an_image_of_another_shape_are_refused_with_both_sizes():
    prompts = Prompts([[0, 0, 5, 5]], images=["a.png"], image_sizes={"a.png": (96, 128)})
    with pytest.raises(
        PromptError, match=r"a\.png: the prompts are for 128×96 and the image is 64×64"
    ):
        prompts.for_image(picture(64, 64))


def test_what_lies_outside_is_left_out_and_named_and_the_rest_keeps_ids_and_classes():
    prompts = Prompts(
        [[0, 0, 5, 5], [30, 3, 40, 9], [15, 2, 26, 8], [NAN] * 4],
        [[[1, 1]], [[33, 4]], [[40, 4]], [[2, 50]]],
        [[-1], [1], [0], [1]],
        ids=[4, 5, 6, 7],
        class_names=["a", "b", "c", "d"],
    )
    with noticing() as notices:
        placed = prompts.for_image(picture(10, 20))
    assert placed.ids.tolist() == [4, 6]
    assert placed.class_names == ("a", "c")
    assert (placed.point_labels == -1).all()
    assert notices == [
        "a.png: of 4 objects, 2 outside the image left out (id 5, 7).",
        "a.png: 1 point outside the image left out.",
    ]
    assert prompts.lie_in(picture(10, 20)).tolist() == [True, False, True, False]


def test_prompts_that_all_lie_outside_are_an_error():
    with pytest.raises(PromptError, match=r"None of the prompts lies in a\.png, which is 20 wide"):
        Prompts([[100, 100, 120, 120]]).for_image(picture(10, 20))


UTM = {"transform": (500_000.0, 0.5, 0.0, 5_200_000.0, 0.0, -0.5), "crs": "EPSG:32632"}


def test_map_coordinates_of_the_image_need_no_other_package(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyproj", None)
    # The pixel in column 40 and row 10 reaches from 20 m to 20.5 m east and 5 m to 5.5 m south.
    prompts = Prompts(
        [[500_020, 5_199_994.5, 500_020.5, 5_199_995]],
        [[[500_020.25, 5_199_994.75]]],
        crs="urn:ogc:def:crs:EPSG::32632",
    )
    placed = prompts.for_image(picture(50, 60, geo=UTM))
    assert placed.boxes.tolist() == [[39.5, 9.5, 40.5, 10.5]]
    assert placed.point_coords.tolist() == [[[40.0, 10.0]]]
    away = Prompts([[9, 46, 9.001, 46.001]], crs="EPSG:4326")
    with pytest.raises(PromptError, match=r"EPSG:4326 and a\.png is in EPSG:32632.*anymask\[geo\]"):
        away.for_image(picture(50, 60, geo=UTM))


def test_longitude_and_latitude_lie_where_pyproj_says():
    pyproj = pytest.importorskip("pyproj")
    to_degrees = pyproj.Transformer.from_crs("EPSG:32632", "EPSG:4326", always_xy=True).transform
    # A rectangle of the image, turned a little against the meridians: its box stays as tight.
    corners = np.array(
        [to_degrees(500_000 + x, 5_200_000 - y) for x, y in ((5, 5), (20, 5), (20, 15), (5, 15))]
    )
    prompts = Prompts(
        [[*corners.min(0), *corners.max(0)]],
        [[to_degrees(500_010.25, 5_199_990.25)]],
        crs="EPSG:4326",
        outlines=[corners],
    )
    placed = prompts.for_image(picture(50, 60, geo=UTM))
    np.testing.assert_allclose(placed.boxes, [[9.5, 9.5, 39.5, 29.5]], atol=1e-4)
    np.testing.assert_allclose(placed.point_coords, [[[20, 19]]], atol=1e-4)


@pytest.mark.parametrize(
    ("geo", "crs", "words"),
    [
        (None, "EPSG:4326", r"a\.png does not say where it lies on the map"),
        ({"transform": UTM["transform"]}, "EPSG:4326", "does not name its reference system"),
        (UTM, "EPSG:99999", "EPSG:99999 is unknown to pyproj"),
        (UTM, "moon", "moon is unknown to pyproj"),
    ],
)
def test_prompts_that_cannot_be_placed_on_the_map_are_refused(geo, crs, words):
    pytest.importorskip("pyproj")
    with pytest.raises(PromptError, match=words):
        Prompts([[9, 46, 10, 47]], crs=crs).for_image(picture(50, 60, geo=geo))


def test_names_in_files_mean_images_in_other_folders_and_without_suffix():
    paths = [
        Path("p/train/1.jpg"),
        Path("p/val/1.jpg"),
        Path("p/000042.png"),
        Path("p/my leaf.png"),
    ]
    names = ["train/1.jpg", "labels/val/1", "42", "my%20leaf.png", "gone.jpg"]
    assert images_of_names(names, paths) == dict(zip(names, paths, strict=False))


def test_a_name_that_fits_two_images_is_refused():
    with pytest.raises(PromptError, match=r"1\.jpg fits two images, a/1\.jpg and b/1\.jpg"):
        images_of_names(["1.jpg"], [Path("a/1.jpg"), Path("b/1.jpg")])


def test_of_two_names_that_fit_an_image_the_better_one_counts():
    assert images_of_names(["a.jpg", "a.png"], [Path("x/a.png")]) == {"a.png": Path("x/a.png")}
    assert images_of_names(["y/a.png", "x/a.png"], [Path("x/a.png")]) == {
        "x/a.png": Path("x/a.png")
    }
    with pytest.raises(PromptError, match="Both"):
        images_of_names(["y/a.png", "z/a.png"], [Path("x/a.png")])
