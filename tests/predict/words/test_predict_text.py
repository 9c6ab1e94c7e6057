"""From words to masks: each object once, with its word, also in large images."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

import anymask
from anymask.errors import PromptError
from anymask.predict.prompters import Detections, Prompter, the_prompter


def coins_of(image: np.ndarray, words: list[str]) -> Detections:
    """A detector of what is bright, as one that knows coins would answer."""
    from scipy import ndimage

    bright = ndimage.binary_opening(image[..., 0] > 110, iterations=5)
    places = ndimage.find_objects(ndimage.label(bright)[0])
    boxes = [(x.start, y.start, x.stop, y.stop) for y, x in places]
    large = [box for box in boxes if min(box[2] - box[0], box[3] - box[1]) > 20]
    # A second word names the same things, less surely.
    twice = [*large, *large]
    names = [words[0]] * len(large) + [words[-1]] * len(large)
    return Detections(twice, names, [0.9] * len(large) + [0.4] * len(large))


DETECTOR = Prompter(name="bright", title="bright things", find=coins_of)


@pytest.fixture(scope="module")
def coins() -> np.ndarray:
    return np.dstack([data.coins()] * 3)


def test_an_object_that_two_words_name_has_the_surer_one(coins, shipped):
    masks = anymask.predict_text(coins, "coin. medal.", prompter=DETECTOR, model=shipped)
    assert len(masks) > 5
    assert set(masks.class_names) == {"coin"}
    lower = anymask.predict_text(coins, ["medal"], prompter=DETECTOR, model=shipped, min_score=0.95)
    assert len(lower) == 0


def test_small_objects_of_a_large_image_are_looked_for_in_tiles(coins, shipped):
    large = np.tile(coins, (2, 2, 1))
    asked = []

    def find(image: np.ndarray, words: list[str]) -> Detections:
        asked.append(image.shape[:2])
        found = coins_of(image, words[:1])
        # It overlooks small things in what is large, as detectors do.
        return found if max(image.shape) <= 400 else Detections([], [], [])

    detector = Prompter(name="near", title="what is near", find=find)
    options = {"prompter": detector, "model": shipped}
    assert len(anymask.predict_text(large, ["coin"], **options)) == 0
    asked.clear()
    found = anymask.predict_text(large, ["coin"], tile_size=400, **options)
    assert asked[0] == large.shape[:2]
    assert set(asked[1:]) == {(400, 400)}
    assert len(found) > 3 * len(anymask.predict_text(coins, ["coin"], **options))
    assert found.image_size == large.shape[:2]


def test_a_published_detector_answers_through_the_same_function(owlv2, photo, shipped):
    masks = anymask.predict_text(
        photo, ["cup", "coin"], prompter=str(owlv2), model=shipped, min_score=0
    )
    assert 0 < len(masks) <= 16
    assert set(masks.class_names) <= {"cup", "coin"}


@pytest.mark.parametrize("words", ["", " . ,", [], [" "]])
def test_no_words_are_refused(photo, words):
    with pytest.raises(PromptError, match="No words were given"):
        anymask.predict_text(photo, words, prompter=DETECTOR)


def test_an_unknown_detector_is_told_with_the_known_ones():
    with pytest.raises(PromptError, match=r"called 'dyno'; there is .*owlv2 \(OWLv2, ViT-B/16\)"):
        the_prompter("dyno")
