"""Figures of single masks, compared with manual and brute-force results."""

from __future__ import annotations

import numpy as np
import pytest

from anymask.evaluation.metrics import (
    boundary_f_score,
    boundary_of,
    boundary_tolerance,
    dice_of_iou,
    mask_iou,
    reliability,
)


def square(x: int, y: int, side: int, size: tuple[int, int] = (30, 40)) -> np.ndarray:
    mask = np.zeros(size, bool)
    mask[y : y + side, x : x + side] = True
    return mask


def boundary_f_by_hand(predicted: np.ndarray, target: np.ndarray, tolerance: float) -> float:
    """Compare all pairs of boundary pixels; a boundary pixel lacks one of its four neighbours."""

    def boundary(mask: np.ndarray) -> list[tuple[int, int]]:
        found = []
        for r, c in np.argwhere(mask):
            near = [(r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)]
            inside = [(a, b) for a, b in near if 0 <= a < mask.shape[0] and 0 <= b < mask.shape[1]]
            if not all(mask[a, b] for a, b in inside):
                found.append((r, c))
        return found

    a, b = boundary(predicted), boundary(target)
    close = np.array([[np.hypot(p[0] - q[0], p[1] - q[1]) <= tolerance for q in b] for p in a])
    precision, recall = close.any(1).mean(), close.any(0).mean()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def test_iou_and_dice_of_squares_shifted_by_half():
    a, b = square(4, 4, 10), square(9, 4, 10)
    assert mask_iou(a, b) == 50 / 150
    assert dice_of_iou(mask_iou(a, b)) == pytest.approx(2 * 50 / 200)


def test_iou_of_an_empty_mask_is_1_with_an_empty_mask_and_0_otherwise():
    empty = np.zeros((30, 40), bool)
    assert mask_iou(empty, square(4, 4, 10)) == 0
    assert mask_iou(empty, empty) == 1


def test_the_boundary_of_a_square_is_its_outer_pixels_without_the_border_of_the_image():
    assert len(boundary_of(square(4, 4, 10))) == 4 * 9
    # In the corner, two of the four sides are on the border of the image.
    assert len(boundary_of(square(0, 0, 10))) == 10 + 10 - 1


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("tolerance", [1.0, 2.5])
def test_boundary_f_equals_a_comparison_of_all_pairs(seed, tolerance):
    rng = np.random.default_rng(seed)
    y, x = np.ogrid[:30, :40]

    def blob() -> np.ndarray:
        cx, cy, rx, ry = rng.uniform((8, 8, 4, 4), (32, 22, 12, 12))
        return ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 <= 1

    a, b = blob(), blob()
    expected = boundary_f_by_hand(a, b, tolerance)
    assert boundary_f_score(a, b, tolerance) == pytest.approx(expected)


def test_boundary_f_is_1_for_a_shift_within_the_tolerance_and_lower_above():
    a = square(8, 8, 12)
    assert boundary_f_score(np.roll(a, 2, 1), a, 2) == 1
    # Shifted by 3 with tolerance 2, the two vertical sides (two thirds of them) no longer match.
    assert 0.4 < boundary_f_score(np.roll(a, 3, 1), a, 2) < 0.75


def test_boundary_f_distinguishes_full_and_empty_masks_without_boundary():
    full, empty = np.ones((30, 40), bool), np.zeros((30, 40), bool)
    assert boundary_f_score(full, full) == 1
    assert boundary_f_score(empty, empty) == 1
    assert boundary_f_score(empty, full) == 0
    assert boundary_f_score(empty, square(4, 4, 10)) == 0


def test_staircases_lower_boundary_f_more_than_iou():
    y, x = np.ogrid[:256, :256]
    disc = (x - 128) ** 2 + (y - 128) ** 2 <= 90**2
    stairs = np.kron(disc[8::16, 8::16], np.ones((16, 16), bool))
    assert mask_iou(stairs, disc) > 0.88
    assert boundary_f_score(stairs, disc) < 0.65


def test_the_tolerance_is_a_fraction_of_the_diagonal_and_at_least_one_pixel():
    assert boundary_tolerance((384, 512)) == pytest.approx(4.8)
    assert boundary_tolerance((30, 40)) == 1


def test_reliability_by_hand():
    predicted, true = [0.91, 0.99, 0.55, 1.2], [0.8, 0.9, 0.65, 1.0]
    table = reliability(predicted, true)
    assert table.count.tolist() == [0, 0, 0, 0, 0, 1, 0, 0, 0, 3]
    assert table.predicted[9] == pytest.approx((0.91 + 0.99 + 1) / 3)
    assert table.true[9] == pytest.approx(0.9)
    assert np.isnan(table.true[0])
    # In the last bin the errors .11 + .09 + 0 add up; the error .1 is in a bin of its own.
    assert table.expected_error == pytest.approx(0.2 / 4 + 0.1 / 4)
    assert table.absolute_error == pytest.approx((0.11 + 0.09 + 0 + 0.1) / 4)
    assert table.bias == pytest.approx((0.11 + 0.09 + 0 - 0.1) / 4)


def test_errors_of_opposite_sign_in_one_bin_cancel_only_in_the_expected_error():
    table = reliability([0.52, 0.52], [0.42, 0.62])
    assert table.expected_error == pytest.approx(0)
    assert table.absolute_error == pytest.approx(0.1)


def test_weights_act_as_repetitions():
    predicted, true = [0.9, 0.3, 0.7], [0.5, 0.35, 0.9]
    weighted = reliability(predicted, true, [3, 1, 2])
    repeated = reliability([0.9] * 3 + [0.3] + [0.7] * 2, [0.5] * 3 + [0.35] + [0.9] * 2)
    assert weighted.expected_error == pytest.approx(repeated.expected_error)
    assert weighted.bias == pytest.approx(repeated.bias)
    np.testing.assert_allclose(weighted.true, repeated.true)


def test_reliability_without_masks_is_nan():
    assert np.isnan(reliability([], []).expected_error)
