"""Finding all objects like some that are shown."""

from __future__ import annotations

import numpy as np
import pytest

import anymask
from anymask import AlikeFinder, Image, MaskSet, find_alike
from anymask.errors import AnymaskError, PromptError
from anymask.io.mask_formats.npz_runs import read_runs, save
from anymask.io.write_context import WriteContext

RED, GREEN = (200, 60, 40), (50, 170, 60)
_SQUARES = {"red": [(20, 20), (20, 80), (75, 110)], "green": [(75, 20), (70, 65)]}


def scene(shift: int = 0) -> np.ndarray:
    """Three red squares and two green ones on a dark ground with some noise."""
    noise = np.random.default_rng(shift).normal(0, 4, (120, 160, 3))
    picture = np.full((120, 160, 3), 40.0) + noise
    for colour, name in ((RED, "red"), (GREEN, "green")):
        for y, x in _SQUARES[name]:
            picture[y + shift : y + shift + 26, x : x + 26] = colour
    return np.clip(picture, 0, 255).astype(np.uint8)


def kinds(masks: MaskSet, shift: int = 0) -> list[str]:
    """Which squares of `scene` the masks are; "?" for anything else."""
    places = [(name, y + shift, x) for name, all_ in _SQUARES.items() for y, x in all_]
    found = []
    for mask in masks:
        hit = "?"
        for name, y, x in places:
            square = np.zeros(mask.shape, bool)
            square[y : y + 26, x : x + 26] = True
            if (mask & square).sum() > 0.6 * (mask | square).sum():
                hit = name
        found.append(hit)
    return sorted(found)


@pytest.fixture(scope="module")
def sam():
    return anymask.load(dtype="float32", device="cpu")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("candidates")


def test_its_kind_is_most_alike_to_one_example_here_and_in_another_image(sam, cache):
    shown = [20, 20, 46, 46]
    here, there = find_alike(
        [scene(), scene(6)], [shown], model=sam, cache=cache, points_per_side=12
    )
    assert kinds(here.candidates.select(range(3))) == ["red"] * 3
    assert kinds(there.candidates.select(range(3)), 6) == ["red"] * 3
    assert {"red"} <= set(kinds(there.masks(), 6)) <= {"red", "green"}
    # The example itself is certain, and another threshold needs nothing but the result.
    assert here.likeness[0] == 1
    assert len(there.masks(0.0)) == len(there.candidates)
    assert len(here.masks(1.0)) == 1
    assert (np.diff(there.likeness) <= 0).all()


def test_clicks_boxes_and_masks_of_any_image_are_examples(sam, cache):
    mask = np.zeros((120, 160), bool)
    mask[75:101, 20:46] = True
    for example in ([33, 88], [20, 75, 46, 101], mask, MaskSet.from_masks(mask[None])):
        found = find_alike(
            [scene(6), scene()], [(1, example)], model=sam, cache=cache, points_per_side=12
        )
        assert kinds(found[0].candidates.select(range(2)), 6) == ["green"] * 2


def test_a_rejected_object_does_not_come_back(sam, cache):
    finder = AlikeFinder(sam, cache=cache, points_per_side=12)
    finder.show(scene(), [[20, 20, 46, 46], [20, 75, 46, 101]])
    assert kinds(finder.find(scene(6)).masks(), 6).count("green") == 2
    finder = AlikeFinder(sam, cache=cache, points_per_side=12)
    finder.show(scene(), [[20, 20, 46, 46]], [[20, 75, 46, 101]])
    assert kinds(finder.find(scene(6)).masks(), 6) == ["red"] * 3
    assert kinds(finder.find(scene()).candidates).count("green") == 1  # the other one


def test_the_least_certain_are_nearest_to_the_threshold(sam, cache):
    found = find_alike(scene(), [[20, 20, 46, 46]], model=sam, cache=cache, points_per_side=12)
    order = found.least_certain()
    gaps = found.uncertainty(order)
    assert (np.diff(gaps) >= 0).all()
    assert 0 not in order  # the example


def test_the_bands_of_a_spectral_image_are_compared(sam):
    # Two kinds of squares that look the same, and differ in a band that no RGB shows.
    rgb = np.full((120, 160, 3), 40, np.uint8)
    band = np.zeros((120, 160), np.float32)
    for kind, (y, x) in enumerate([(20, 20), (20, 80), (75, 20), (75, 80), (75, 120)]):
        rgb[y : y + 26, x : x + 26] = RED
        band[y : y + 26, x : x + 26] = 5.0 if kind % 2 else 1.0
    spectrum = np.stack([band, *rgb.transpose(2, 0, 1).astype(np.float32), band], -1)
    finder = AlikeFinder(sam, points_per_side=12)
    finder.show(rgb, [[20, 20, 46, 46]], [[80, 20, 106, 46]], spectrum=spectrum)
    found = finder.find(rgb, spectrum=spectrum)
    ranked = [band[mask].mean() for mask in found.candidates if mask.sum() > 400]
    assert ranked[:3] == pytest.approx([1, 1, 1], abs=0.5)
    assert isinstance(finder.find(Image(rgb, "YXC")).candidates, MaskSet)


def test_likeness_goes_through_sets_and_files(tmp_path):
    stack = np.zeros((2, 5, 6), bool)
    stack[0, :2], stack[1, 3:] = True, True
    masks = MaskSet.from_masks(stack, likeness=[0.9, 0.25])
    again = MaskSet.concatenate([masks.select([1]), MaskSet.from_masks(stack[:1])], (5, 6))
    assert again.likeness is not None
    np.testing.assert_array_equal(again.likeness, [0.25, np.nan])
    save(tmp_path / "a.npz", masks, WriteContext("a.png"))
    for other in (read_runs(tmp_path / "a.npz"), MaskSet.from_records(masks.to_records())):
        np.testing.assert_array_equal(other.likeness, masks.likeness)
    back = MaskSet.from_coco(masks.to_coco("a.png"))
    np.testing.assert_array_equal(np.sort(back.likeness), [0.25, 0.9])
    assert {row["likeness"] for row in masks.to_table()} == {0.9, 0.25}
    with pytest.raises(AnymaskError, match="2 masks and 1 likeness"):
        MaskSet.from_masks(stack, likeness=[0.5])


@pytest.mark.parametrize(
    ("examples", "sentence"),
    [
        ([], "No example was shown"),
        ([(3, [5, 5, 20, 20])], "image 3, but 1 are given"),
        ([np.ones((4, 5), bool)], "5 wide and 4 high"),
        ([[1, 2, 3]], "give a boolean mask"),
        ([np.zeros((120, 160), bool)], "has no pixel"),
    ],
)
def test_bad_examples_are_refused_with_a_sentence(sam, cache, examples, sentence):
    with pytest.raises(PromptError, match=sentence):
        find_alike([scene()], examples, model=sam, cache=cache, points_per_side=12)
