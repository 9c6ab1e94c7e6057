"""Objects followed through a stack, and interpolated between its planes."""

from __future__ import annotations

import numpy as np
import pytest

from anymask.session import CancelToken, LayerKey, Session, SessionError
from anymask.session.replaying import replay
from anymask.session.stacks import followed, interpolated, projected


def disc(row: float, column: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:90, :120]
    return np.hypot(rows - row, columns - column) < radius


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / max(1, (a | b).sum()))


@pytest.fixture
def stack(tmp_path, stack_file):
    with Session.create(tmp_path / "work") as session:
        session.images.add(stack_file)
        yield session


KEY = LayerKey("i1", "rgb")


@pytest.fixture
def drawn(stack, paint):
    """Object 4 drawn in plane 1."""
    labels = np.array(stack.layers.labels(KEY))
    labels[1][disc(40, 43, 18)] = 4
    stack.edits.paint(KEY, labels)
    return labels


def test_an_object_is_followed_until_it_ends_with_any_prompt(stack, drawn, shipped):
    for project in ("box", "points", "mask"):
        found = stack.clicks.propagate(shipped, KEY, 4, 1, project=project)
        assert found.planes == [0, 2, 3]
        labels = stack.layers.labels(KEY)
        for plane in range(4):
            assert iou(labels[plane] == 4, disc(40, 40 + 3 * plane, 18)) > 0.85
        assert not labels[4].any()
        assert "plane 4" in found.ended[1]
        assert "first plane" in found.ended[-1]
        assert stack.edits.can_undo(KEY) == "propagate"
        stack.edits.undo(KEY)
        np.testing.assert_array_equal(stack.layers.labels(KEY), drawn)
    one_way = stack.clicks.propagate(shipped, KEY, 4, 1, direction=1, until=2)
    assert one_way.planes == [2]
    assert list(one_way.ended) == [1]


def test_following_ends_at_annotated_planes_and_leaves_other_objects_alone(
    stack, drawn, shipped, paint
):
    paint(stack, KEY, 4, slice(30, 40), slice(40, 50), plane=3)
    paint(stack, KEY, 9, slice(25, 40), slice(40, 60), plane=2)
    found = stack.clicks.propagate(shipped, KEY, 4, 1, direction=1)
    assert found.planes == [2]
    assert "annotated in plane 3" in found.ended[1]
    labels = stack.layers.labels(KEY)
    assert (labels[2] == 9).sum() == 300
    assert (labels[3] == 4).sum() == 100


def test_cancelled_following_keeps_the_planes_found_so_far(stack, drawn, shipped):
    token = CancelToken()
    found = stack.clicks.propagate(
        shipped, KEY, 4, 1, direction=1, cancel=token,
        progress=lambda done, total: token.cancel() if done == 1 else None,
    )  # fmt: skip
    assert found.planes == [2]
    assert "Stopped" in found.ended[1]


def test_a_plane_without_the_object_and_a_single_image_are_refused(
    stack, drawn, shipped, tmp_path, pictures, paint
):
    with pytest.raises(SessionError, match="no pixel in plane 0"):
        stack.clicks.propagate(shipped, KEY, 4, 0)
    with Session.create(tmp_path / "flat") as flat:
        flat.images.add(pictures / "a.png")
        paint(flat, KEY, 1, slice(0, 9), slice(0, 9))
        with pytest.raises(SessionError, match="only one plane"):
            flat.clicks.propagate(shipped, KEY, 1, 0)
        with pytest.raises(SessionError, match="only one plane"):
            flat.edits.interpolate(KEY, 1)


def test_planes_between_two_discs_are_filled_with_discs(stack):
    labels = np.zeros((5, 90, 120), np.uint16)
    labels[0][disc(40, 30, 10)] = 2
    labels[4][disc(60, 70, 22)] = 2
    stack.edits.paint(KEY, labels)
    stack.edits.interpolate(KEY, 2)
    found = stack.layers.labels(KEY)
    for plane in range(1, 4):
        share = plane / 4
        expected = disc(40 + 20 * share, 30 + 40 * share, 10 + 12 * share)
        assert iou(found[plane] == 2, expected) > 0.9
    np.testing.assert_array_equal(found[[0, 4]], labels[[0, 4]])
    with pytest.raises(SessionError, match="no empty planes between"):
        stack.edits.interpolate(KEY, 2)


def test_interpolation_avoids_other_objects_and_works_at_the_border():
    labels = np.zeros((3, 90, 120), np.uint16)
    labels[0][disc(0, 0, 20)] = 1
    labels[2][disc(0, 0, 20)] = 1
    labels[1, :5, :5] = 7
    found = interpolated(labels, 1)
    assert (found[1] == 7).sum() == 25
    assert iou((found[1] == 1) | (found[1] == 7), disc(0, 0, 20)) > 0.95


def test_projected_prompts_lie_on_the_object():
    ring = disc(40, 60, 25) & ~disc(40, 60, 15)
    for how in ("box", "points", "mask"):
        prompts = projected(ring, how)
        assert prompts.points
        for x, y in prompts.points:
            assert ring[round(y), round(x)]
    x0, y0, x1, y1 = projected(ring, "box").box
    assert x0 < 36 <= 84 < x1
    assert y0 < 16 <= 64 < y1


def test_planes_are_numbered_through_depths_first(tmp_path):
    import tifffile

    from anymask.session.rendering import plane_of

    data = np.arange(2 * 3 * 4 * 5, dtype=np.uint16).reshape(2, 3, 4, 5)
    tifffile.imwrite(tmp_path / "both.tif", data, imagej=True, metadata={"axes": "TZYX"})
    with Session.create(tmp_path / "work") as session:
        session.images.add(tmp_path / "both.tif")
        image = session.images.load("i1")
        assert session.images["i1"].planes == 6
        np.testing.assert_array_equal(plane_of(image, 4).numpy(), data[1, 1])


@pytest.fixture
def times(tmp_path, discs):
    """A disc at two time points with four depths each, always at the same place."""
    import tifffile

    planes = [discs((90, 120), [(40, 40, 18)], seed)[..., 0] for seed in range(8)]
    data = np.stack(planes).reshape(2, 4, 90, 120)
    tifffile.imwrite(tmp_path / "times.tif", data, imagej=True, metadata={"axes": "TZYX"})
    with Session.create(tmp_path / "work") as session:
        session.images.add(tmp_path / "times.tif")
        labels = np.array(session.layers.labels(KEY))
        labels[2][disc(40, 40, 18)] = 4
        session.edits.paint(KEY, labels)
        yield session


def test_an_object_is_followed_only_through_the_depths_of_its_time_point(times, shipped):
    found = times.clicks.propagate(shipped, KEY, 4, 2)
    assert found.planes == [0, 1, 3]
    assert found.ended == {
        1: "It reached the last depth of this time.",
        -1: "It reached the first depth of this time.",
    }
    assert (times.layers.labels(KEY) == 4).any((1, 2)).tolist() == [True] * 4 + [False] * 4
    labels = np.array(times.layers.labels(KEY))
    labels[6][disc(40, 40, 18)] = 4
    times.edits.paint(KEY, labels)
    assert times.clicks.propagate(shipped, KEY, 4, 6).planes == [4, 5, 7]
    replayed = replay(times.folder, sam=shipped)
    assert [layer.status for layer in replayed.layers] == ["same"]


def test_nothing_is_filled_in_between_two_time_points(times):
    labels = np.array(times.layers.labels(KEY))
    labels[5][disc(40, 40, 18)] = 4
    times.edits.paint(KEY, labels)
    with pytest.raises(SessionError, match="no empty planes between"):
        times.edits.interpolate(KEY, 4)
    labels[7][disc(40, 40, 18)] = 4
    times.edits.paint(KEY, labels)
    times.edits.interpolate(KEY, 4)
    has = (times.layers.labels(KEY) == 4).any((1, 2)).tolist()
    assert has == [False, False, True, False, False, True, True, True]
    assert [layer.status for layer in replay(times.folder).layers] == ["same"]


def test_old_steps_across_time_points_are_repeated_unchanged(times, shipped):
    model = times.clicks.model(shipped)
    args = {
        "id": 4, "plane": 2, "direction": 1, "until": None, "min_score": 0.5,
        "min_overlap": 0.3, "project": "box", "done": [3, 4],
    }  # fmt: skip
    assert followed(model, KEY, np.array(times.layers.labels(KEY)), args)[1] == [3, 4]
    labels = np.array(times.layers.labels(KEY))
    labels[5] = labels[2]
    assert (interpolated(labels, 4) == 4).any((1, 2)).tolist() == [False] * 2 + [True] * 4 + (
        [False] * 2
    )
