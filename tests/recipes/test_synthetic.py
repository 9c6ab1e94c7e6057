"""Synthetic scenes: labels, groups, determinism, and edges that match the image."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from recipes.small.drawing.canvas import (
    KEEP_LABELS,
    MIN_REGION_PIXELS,
    NO_REGION,
    Canvas,
    Patch,
)
from recipes.small.drawing.patterns import pattern_bank
from recipes.small.drawing.shapes import place, random_shape, rasterise, stroke
from recipes.small.synthetic import KIND_WEIGHTS, KINDS, Scene, draw_scene


class DrawnPhotos:
    """Replaces real images: objects of one drawn family on the surface of another."""

    def photo(self, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
        scene = draw_scene(rng, 200, kind="leaves")
        return scene.image[:150], scene.labels[:150]


PHOTOS = DrawnPhotos()


def draw(seed: int, size: int = 128, kind: str | None = None, photos: bool = True) -> Scene:
    return draw_scene(np.random.default_rng(seed), size, PHOTOS if photos else None, kind=kind)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    """A hundred scenes of all kinds, 192 pixels wide."""
    return [draw(seed, 192) for seed in range(100)]


def label_steps(labels: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Pixels whose right neighbour has a different label, H×(W-1)."""
    return labels[:, 1:] != labels[:, :-1]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_draws_valid_labels_and_groups(kind: str) -> None:
    for seed in range(3):
        scene = draw(seed, 160, kind)
        assert scene.image.dtype == np.uint8
        assert scene.image.shape == (160, 160, 3)
        assert scene.labels.dtype == np.uint16
        assert scene.labels.shape == (160, 160)
        assert scene.parents.dtype == np.uint16
        counts = np.bincount(scene.labels.ravel(), minlength=scene.num_regions + 1)
        assert len(counts) == scene.num_regions + 1, "labels run to n"
        assert counts[1:].min() >= MIN_REGION_PIXELS
        assert scene.parents[0] == 0
        members = np.bincount(scene.parents[1:], minlength=scene.num_groups + 1)[1:]
        assert (members >= 2).all(), "a group has parts, and group numbers have no gaps"


@pytest.mark.parametrize("photos", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_draws_the_same_scene(kind: str, photos: bool) -> None:
    if kind == "pasted" and not photos:
        with pytest.raises(ValueError, match="need photographs"):
            draw(3, 96, kind, photos)
        return
    first = draw(3, 96, kind, photos)
    draw(4, 128)
    again = draw(3, 96, kind, photos)
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.labels, again.labels)
    np.testing.assert_array_equal(first.parents, again.parents)
    assert (draw(5, 96, kind, photos).image != first.image).any()


@pytest.mark.parametrize("size", [64, 128, 321, 512])
@pytest.mark.parametrize("photos", [False, True])
def test_any_size_is_filled(size: int, photos: bool) -> None:
    for seed in range(2):
        scene = draw(seed, size, photos=photos)
        assert scene.image.shape == (size, size, 3)
        assert scene.labels.shape == (size, size)
        assert np.count_nonzero(scene.labels) >= 0.003 * size * size


def test_every_kind_has_a_weight() -> None:
    assert set(KIND_WEIGHTS) == set(KINDS)
    assert min(KIND_WEIGHTS.values()) > 0
    assert sum(KIND_WEIGHTS.values()) == pytest.approx(1.0, abs=0.03)


def test_each_kind_is_drawn_if_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: set[str] = set()

    # The tests above draw each family; here one quick family replaces all of them.
    quick = KINDS["grains"]

    def spy(name: str):
        def call(canvas: Canvas) -> None:
            drawn.add(name)
            quick(canvas)

        return call

    for name in list(KINDS):
        monkeypatch.setitem(KINDS, name, spy(name))
    rng = np.random.default_rng(0)
    for _ in range(700):
        draw_scene(rng, 64, PHOTOS)
        if drawn == set(KINDS):
            return
    pytest.fail(f"never drawn: {set(KINDS) - drawn}")


def test_a_bad_request_says_what_to_do() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="at least 64 pixels"):
        draw_scene(rng, 32)
    with pytest.raises(ValueError, match="choose one of leaves"):
        draw_scene(rng, 128, kind="landscape")


def test_the_image_changes_where_labels_change(scenes: list[Scene]) -> None:
    """The colour changes more across the edge of a region than over the same distance inside."""
    across, within, seen = [], [], 0
    for scene in scenes:
        image = cv2.GaussianBlur(scene.image, (0, 0), 1.0).astype(np.float32)
        jump = np.abs(image[:, 4:] - image[:, :-4]).mean(2)
        labels = scene.labels.astype(int)
        split = (labels[:, 4:] != labels[:, :-4]) & (labels[:, 4:] == labels[:, 3:-1])
        split &= labels[:, 2:-2] != labels[:, 1:-3]
        same = np.all(
            [labels[:, i : labels.shape[1] - 4 + i] == labels[:, :-4] for i in (1, 2, 3, 4)], 0
        )
        if split.sum() < 30 or same.sum() < 30:
            continue
        across.append(jump[split].mean())
        within.append(jump[same].mean())
        seen += 1
    assert seen > 75
    assert np.mean(across) > 20
    assert np.mean(across) > 2.5 * np.mean(within)
    assert np.mean(np.array(across) > np.array(within)) > 0.9


def test_label_edges_are_on_image_edges(scenes: list[Scene]) -> None:
    """The image gradient is weaker at label edges that are moved by three pixels."""
    at_edge = np.zeros(7)
    for scene in scenes:
        gray = scene.image.astype(np.float32).mean(2)
        gradient = np.abs(gray[:, 1:] - gray[:, :-1])
        edge = label_steps(scene.labels)[:, 3:-3]
        if edge.sum() < 20:
            continue
        for shift in range(7):
            moved = gradient[:, shift : shift + edge.shape[1]]
            at_edge[shift] += moved[edge].mean()
    assert at_edge.argmax() == 3
    assert at_edge[3] > 1.4 * max(at_edge[0], at_edge[6])
    assert abs(at_edge[2] - at_edge[4]) < 0.1 * at_edge[3], "no drift to one side"


def test_scenes_differ_from_one_another(scenes: list[Scene]) -> None:
    small = [cv2.resize(s.image, (8, 8), interpolation=cv2.INTER_AREA) for s in scenes[:60]]
    flat = np.array(small, np.float32).reshape(60, -1)
    distance = np.abs(flat[:, None] - flat[None]).mean(2)
    assert distance[np.triu_indices(60, 1)].min() > 3


def test_scenes_contain_few_and_many_regions_and_groups(scenes: list[Scene]) -> None:
    regions = np.array([s.num_regions for s in scenes])
    assert (regions <= 3).sum() >= 5
    assert (regions >= 40).sum() >= 10
    assert np.mean([s.num_groups > 0 for s in scenes]) > 0.25


def test_a_group_is_the_union_of_its_regions() -> None:
    scene = next(s for s in (draw(seed, kind="objects") for seed in range(20)) if s.num_groups)
    mask = scene.group_mask(1)
    parts = np.flatnonzero(scene.parents == 1)
    np.testing.assert_array_equal(mask, np.isin(scene.labels, parts))
    assert len(parts) >= 2


def test_pasted_scenes_keep_the_labels_of_their_background() -> None:
    class OneSquare:
        def photo(self, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
            image = rng.integers(0, 40, (128, 128, 3), np.uint8)
            labels = np.zeros((128, 128), np.uint16)
            image[40:90, 40:90] += 180
            labels[40:90, 40:90] = 7
            return image, labels

    for seed in range(10):
        scene = draw_scene(np.random.default_rng(seed), 128, OneSquare(), kind="pasted")
        bright = cv2.blur(scene.image.mean(2), (5, 5))
        assert scene.num_regions >= 1
        assert bright[scene.labels > 0].mean() > bright[scene.labels == 0].mean() + 60


def square(top: int, left: int, side: int) -> Patch:
    return Patch(top, left, np.full((side, side), 255, np.uint8))


def canvas(size: int = 64) -> Canvas:
    return Canvas(size, np.random.default_rng(0), None)


def test_later_paint_covers_earlier_paint() -> None:
    page = canvas()
    page.paint(square(10, 10, 20), 100.0)
    page.paint(square(20, 20, 20), 200.0)
    page.paint(square(0, 0, 12), 50.0, region=NO_REGION)
    page.paint(square(40, 0, 10), 50.0, region=KEEP_LABELS)
    scene = page.scene()
    assert np.count_nonzero(scene.labels == 1) == 400 - 100 - 4
    assert np.count_nonzero(scene.labels == 2) == 400
    assert scene.labels[45, 5] == 0
    assert scene.image[45, 5].tolist() == [50, 50, 50]


def test_specks_and_groups_of_one_disappear_from_a_scene() -> None:
    page = canvas()
    whole, lone = page.new_group(), page.new_group()
    page.paint(square(0, 0, 3), 200.0)
    page.paint(square(10, 10, 10), 200.0, group=lone)
    page.paint(square(30, 10, 10), 200.0, group=whole)
    page.paint(square(30, 20, 10), 90.0, group=whole)
    scene = page.scene()
    assert scene.num_regions == 3
    assert scene.parents.tolist() == [0, 0, 1, 1]
    assert not scene.labels[:3, :3].any()


def test_a_region_with_the_colour_below_it_becomes_visible() -> None:
    page = canvas()
    page.image[:] = 120
    page.min_contrast = 22.0
    page.paint(square(20, 20, 20), 121.0)
    inside, outside = page.image[25:35, 25:35].mean(), page.image[:10].mean()
    assert abs(inside - outside) == pytest.approx(22, abs=2)


def test_a_soft_edge_keeps_its_label_at_half_coverage() -> None:
    disc = rasterise([np.array([32.0, 32.0]) + 18 * _circle()], 64)
    for soft in (0.0, 1.5, 3.0):
        page = canvas()
        page.paint(disc, 255.0, soft=soft)
        np.testing.assert_array_equal(page.labels > 0, page.image[..., 0] > 127)
        radius = np.sqrt(np.count_nonzero(page.labels) / np.pi)
        assert 17.8 < radius < 18.8


def _circle() -> NDArray[np.float64]:
    t = np.linspace(0, 2 * np.pi, 200)
    return np.stack([np.cos(t), np.sin(t)], 1)


def test_a_shape_cut_by_the_border_stays_full_there() -> None:
    page = canvas()
    page.paint(
        rasterise([np.array([[-20, 10], [30, 10], [30, 50], [-20, 50]], float)], 64),
        255.0,
        soft=2.0,
    )
    assert page.image[30, 0, 0] > 250


def test_shapes_fit_their_radius_and_turn() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        shape = random_shape(rng)
        assert 0.2 < np.abs(shape[0]).max() < 1.6
    corners = place([np.array([[1.0, 0.0], [0.0, 2.0]])], (5, 7), 3.0, np.pi / 2)[0]
    np.testing.assert_allclose(corners, [[5, 10], [-1, 7]], atol=1e-9)


def test_a_line_covers_its_length_times_its_width() -> None:
    points = np.stack([np.linspace(10, 110, 50), np.linspace(20, 90, 50)], 1)
    line = stroke([(points, np.full(50, 5.0))], 128)
    assert line is not None
    area = line.alpha.sum() / 255
    width = (area - np.pi * 2.5**2) / np.hypot(100, 70)
    assert 4.8 < width < 5.7


def test_patterns_have_equal_mean_and_strength() -> None:
    for tile in pattern_bank():
        assert tile.dtype == np.uint8
        assert tile.mean() == pytest.approx(128, abs=8)
        assert 20 < tile.std() < 50
