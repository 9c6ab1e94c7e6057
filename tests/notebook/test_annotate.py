"""What Python and the page of a notebook tell each other, and both in a real JupyterLab."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import skimage.data

import anymask
from anymask.errors import AnymaskError
from anymask.model.sam import Sam
from anymask.notebook.one_file import modules, page_as_one_file
from anymask.notebook.runs import labels_of, triples_of
from anymask.notebook.widget import Annotation
from tests.notebook.jupyter import frame_of, jupyterlab, place_in, run_cell
from tests.web.pages import CUP, PATIENCE, needs_chromium

SQUARE = (slice(10, 60), slice(10, 90))


@pytest.fixture(scope="module")
def sam() -> Sam:
    return anymask.load(dtype="float32", device="cpu")


class Sent(list):
    """What a widget sent: facts and buffers."""

    def __call__(self, facts: dict[str, Any], buffers: Any = None) -> None:
        self.append((facts, buffers))


@pytest.fixture
def coffee(sam) -> Annotation:
    """A widget whose messages are kept."""
    made = anymask.annotate(skimage.data.coffee(), sam, classes=["cup"])
    made.send = Sent()
    return made


def labelled(id_: int) -> np.ndarray:
    labels = np.zeros((400, 600), np.int64)
    labels[SQUARE] = id_
    return labels


def test_assigned_labels_become_masks_and_are_shown(coffee):
    seen = []
    coffee.observe(lambda change: seen.append(change.name), ["masks", "labels"])
    coffee.labels = labelled(7)
    assert sorted(seen) == ["labels", "masks"]
    assert coffee.masks.ids.tolist() == [7]
    ((facts, (runs,)),) = coffee.send
    assert facts == {"to": "all", "objects": [{"id": 7, "class": ""}]}
    shown = np.frombuffer(runs, np.int32).reshape(-1, 3)
    assert (labels_of(shown, (400, 600)) == labelled(7)).all()


def test_assigned_masks_keep_their_class_and_score_when_labels_follow(coffee):
    coffee.masks = anymask.MaskSet.from_masks(
        labelled(1)[None] > 0, class_names=["cup"], predicted_iou=[0.5], object_ids=[3]
    )
    assert coffee.labels.max() == 3
    coffee.labels = coffee.labels + 4 * (labelled(1) == 0)  # one object more
    assert coffee.masks.class_names == ("cup", "")
    assert coffee.masks.predicted_iou[0] == 0.5


def test_what_does_not_fit_the_image_is_refused_and_changes_nothing(coffee):
    for name, value in (
        ("labels", np.zeros((3, 3), int)),
        ("labels", labelled(70_000)),
        ("masks", anymask.MaskSet.from_counts((3, 3), [])),
        ("prompts", {"points": [[1, 2]]}),
    ):
        with pytest.raises(AnymaskError):
            setattr(coffee, name, value)
    assert (coffee.labels.max(), len(coffee.masks), coffee.prompts["points"]) == (0, 0, [])
    assert coffee.send == []


def test_objects_of_the_page_reach_both_traits_and_are_not_sent_back(coffee):
    triples = triples_of(labelled(2))
    known = {"id": 2, "class": "cup", "score": 0.75, "stability": None, "reviewed": True}
    coffee._take(
        coffee, {"what": "objects", "from": "page", "objects": [known]}, [triples.tobytes()]
    )
    assert (coffee.labels == labelled(2)).all()
    assert (coffee.masks.class_names, coffee.masks.predicted_iou.tolist()) == (("cup",), [0.75])
    assert coffee.send == []


def test_the_kernel_answers_a_click_as_a_predictor_does(coffee, sam):
    asked = {"what": "predict", "from": "page", "id": 1, "labels": [1], "box": None}
    coffee._take(coffee, {**asked, "points": [list(CUP)]}, [])
    ((facts, (runs,)),) = coffee.send
    predictor = anymask.SamPredictor(sam)
    predictor.set_image(skimage.data.coffee())
    masks, scores, _ = predictor.predict([CUP], [1])
    assert [each["score"] for each in facts["masks"]] == pytest.approx(scores.tolist())
    lengths = [each["length"] for each in facts["masks"]]
    parts = np.split(np.frombuffer(runs, np.int32), np.cumsum(lengths)[:-1])
    for mask, part in zip(masks, parts, strict=True):
        triples = np.column_stack([part.reshape(-1, 2), np.ones(len(part) // 2, np.int32)])
        assert (labels_of(triples, mask.shape) == mask).all()


def test_everything_is_above_the_limits_and_a_failure_is_a_sentence(coffee):
    limits = {"pred_iou": 0.6, "stability": 0.7}
    shares = []
    facts, runs = coffee._answers.everything(6, limits, shares.append)
    assert shares[-1] == 1
    assert facts
    assert all(each["score"] > 0.6 and each["stability"] >= 0.7 for each in facts)
    assert sum(each["length"] for each in facts) == len(runs)
    asked = {"what": "predict", "from": "page", "id": 1, "labels": [1], "box": None}
    coffee._take(coffee, {**asked, "points": [[9999, 9999]]}, [])
    assert "9999" in coffee.send[-1][0]["error"]


def test_the_page_in_one_file_asks_for_nothing(coffee):
    html = page_as_one_file()
    assert not re.search(r'(?:src|href)="(?!#)', html)
    for name, text in modules().items():
        needed = re.findall(r'from "([^"]+)"', text)
        assert set(needed) <= set(modules()), name


@pytest.mark.slow
@needs_chromium
def test_a_notebook_in_jupyterlab_annotates_both_ways(tmp_path):
    from playwright.sync_api import expect, sync_playwright

    from tests.web.pages import CHROMIUM

    cells = (
        "import anymask, numpy as np, skimage.data\n"
        "widget = anymask.annotate(skimage.data.coffee(), classes=['cup'])\nwidget",
        f"print('found', widget.labels[{CUP[1]}, {CUP[0]}], widget.masks.class_names)",
        "labels = np.zeros((400, 600), int)\nlabels[10:60, 10:90] = 5\nwidget.labels = labels\n"
        "widget.prompts = {'points': [[480, 300]], 'labels': [1]}",
        "print('asked', widget.prompts['points'], len(widget.masks))",
    )
    with jupyterlab(tmp_path, cells) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.set_default_timeout(PATIENCE)
        page.goto(address)
        run_cell(page, 0)
        frame = frame_of(page)
        frame.click("#overlay", position=place_in(frame, *CUP))
        frame.wait_for_selector("#candidates button:nth-child(3)")
        page.keyboard.press("1")
        page.keyboard.press("c")
        frame.wait_for_selector("#object-list button", state="attached")
        run_cell(page, 1)
        page.wait_for_selector("text=found 1 ('cup',)")

        run_cell(page, 2)
        frame.wait_for_selector("#commit:not([disabled])")
        expect(frame.locator("#object-list")).to_contain_text("5 ", timeout=PATIENCE)
        run_cell(page, 3)
        page.wait_for_selector("text=asked [[480.0, 300.0]] 1")
        browser.close()
