"""HTML pages: complete, escaped, one file each, and the same bytes each time."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anymask.datasets.types import Example, LeftOut, Skipped
from anymask.evaluation.everything import EverythingRecord
from anymask.evaluation.object_matching import Overlaps
from anymask.evaluation.protocols import evaluate_interactive
from anymask.masks.mask_set import MaskSet
from anymask.palette import palette
from anymask.reports import pages
from anymask.reports.evaluation_report import EvaluationReport
from anymask.reports.page_images import PICTURED
from anymask.reports.pages import evaluation_page, verdict_page
from tests.reports.conftest import class_verdict_of, record, verdict_of

VOID = ("meta", "img")
DRAWN = ("rect", "line", "circle")
EVIL = "<script>alert(1)</script>\"'&"


class Page(HTMLParser):
    """A page taken apart; parsing fails where tags do not match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in DRAWN
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def images(self) -> list[Image.Image]:
        urls = [attributes["src"] for attributes in self.all("img")]
        return [Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))) for url in urls]


@pytest.fixture(scope="module")
def report(models, pieces) -> EvaluationReport:
    records = evaluate_interactive(models[0], pieces, clicks=3, keep_masks=PICTURED)
    return EvaluationReport({"model": "reference"}, {"limit": None}, records)


@pytest.fixture(scope="module")
def classes_find(pieces):
    by_name = {p.name: Example(p.name, p.image, p.masks, "a", class_ids=(0, 1)) for p in pieces}
    return lambda _, name: by_name[name]


def test_the_page_on_an_evaluation_has_all_figures_and_its_worst_and_best_answers(report, find):
    page = Page(evaluation_page(report, find, pictures=3))
    for section in report.sections:
        assert section.title in page.text
    for name in ("box", "click3"):
        assert f"{report.summary[name]['iou']:.3f}".replace("0.", ".") in page.text
    # The three worst and the three best, by box and by click.
    assert [max(image.size) for image in page.images] == [320] * 12
    assert "Worst answers by IoU: Box" in page.text
    (diagram,) = page.all("svg")
    assert "expected calibration error" in diagram["aria-label"]


def test_whole_images_are_shown_with_what_was_found(pieces, find):
    def of(piece: Example, iou: float, true: int) -> EverythingRecord:
        found = MaskSet.from_masks(np.stack(piece.masks[:1]))
        overlaps = Overlaps(np.full((1, true), iou), np.ones(1))
        return EverythingRecord(piece.set_name, piece.name, overlaps, found)

    records = [of(pieces[0], 0.25, 2), of(pieces[2], 0.75, 3)]
    html = evaluation_page(EvaluationReport({}, {}, [], records), find, pictures=1)
    worst, best = html.split("<h2>Best whole images by mean best overlap</h2>")
    assert "a / piece0: mean best overlap 0.25, F1 0.00; masks found 1, labelled 2" in worst
    assert "b / piece2: mean best overlap 0.75, F1 0.50; masks found 1, labelled 3" in best
    assert len(Page(html).images) == 2
    forgotten = [EverythingRecord(r.set_name, r.image, r.overlaps) for r in records]
    assert "<img" not in evaluation_page(EvaluationReport({}, {}, [], forgotten), find)


def test_the_page_on_an_evaluation_says_what_was_left_out():
    bad = Skipped("a", "x", Path("a/x.png"), "a/x.png <is> damaged.")
    unused = LeftOut((), (), (Path("a/y.png"),), tuple(Path(f"a/z{i}.png") for i in range(12)))
    model = {"weights_sha256": "0123456789abcdef" * 4}
    report = EvaluationReport(model, {}, [record(0.5)], unreadable=[bad], unused=unused)
    page = Page(evaluation_page(report))
    assert "a/x.png <is> damaged." in page.text
    assert "1 image without masks is left out: y.png." in page.text
    assert "12 files without their images are left out: z0.png, z1.png, z2.png, …" in page.text
    assert "0123456789ab" in page.text
    assert "0123456789abc" not in page.text


def test_the_page_of_a_verdict_has_figures_intervals_calibration_and_pairs(object_verdict, find):
    page = Page(verdict_page(object_verdict, find, {"the_model": "mine"}, pictures=2))
    assert object_verdict.sentence in page.text
    for row in object_verdict.rows():
        assert all(cell in page.text for cell in row)
    assert "Decides: mean IoU by box and clicks" in page.text
    assert "AP and F1 are of the masks found without prompts, in 4 of 4 images." in page.text
    assert "the model" in page.text
    bars = [svg for svg in page.all("svg") if svg["class"].startswith("bar")]
    assert len(bars) == len(object_verdict.figures)
    assert len([svg for svg in page.all("svg") if svg["class"] == "reliability"]) == 2
    # Most changed, worst and best, by click and by box: two landscape images side by side each.
    assert len(page.images) == 2 * 3 * 2
    assert all(image.width > 2 * image.height for image in page.images)


def test_the_page_of_a_verdict_on_classes_shows_image_truth_and_maps(classes_find):
    alone = Page(verdict_page(class_verdict_of(None, [0.8, 0.7, 0.9]), classes_find, pictures=1))
    assert "All 'leaf'" in alone.text
    assert [image.size for image in alone.images] == [(3 * 120 + 2 * 6, 90)] * 2
    # The third image did not change.
    both = class_verdict_of([0.5, 0.5, 0.9], [0.8, 0.7, 0.9])
    beside = Page(verdict_page(both, classes_find))
    assert "Before" in beside.text
    assert "the image, the true classes, before and after" in beside.text
    assert [image.size for image in beside.images] == [(4 * 120 + 3 * 6, 90)] * (2 + 3 + 3)
    assert "Most changed images by mean IoU" in beside.text
    colours = ["background: #" + palette()[k].tobytes().hex() for k in range(2)]
    assert [each["style"] for each in beside.all("i")] == colours  # of the maps


def test_intervals_are_drawn_on_one_scale_and_left_out_where_there_are_none():
    html = verdict_page(verdict_of([0.5, 0.6], [0.7, 0.8], 0.1, 0.4))
    page = Page(html)
    bar = next(svg for svg in page.all("svg") if svg["class"] == "bar better")
    assert bar["aria-label"] == "+0.200, 95% interval +0.100 to +0.400"
    line = next(a for a in page.all("line") if a["class"] == "interval")
    # Zero in the middle, .4 at the right end of the scale.
    assert (line["x1"], line["x2"]) == ("60.50%", "92.00%")
    assert next(a["cx"] for a in page.all("circle")) == "71.00%"
    single = Page(verdict_page(verdict_of([0.5], [0.7], float("nan"), float("nan"))))
    assert "There are too few images for an interval." in single.text
    assert not [svg for svg in single.all("svg") if svg["class"].startswith("bar")]


def test_the_page_of_a_verdict_shows_the_curves_of_the_training(tmp_path):
    verdict, curves = verdict_of([0.5, 0.6], [0.7, 0.8], 0.1, 0.4), tmp_path / "curves.png"
    assert "Epoch by epoch" not in verdict_page(verdict, curves=curves)
    Image.new("RGB", (30, 20), (9, 8, 7)).save(curves)
    page = Page(verdict_page(verdict, curves=curves))
    assert "Epoch by epoch" in page.text
    assert page.images[0].size == (30, 20)


@pytest.mark.parametrize("kind", ["evaluation", "objects", "classes"])
def test_text_from_files_cannot_break_a_page(kind, pieces):
    piece = Example(EVIL, pieces[0].image, pieces[0].masks, EVIL, class_ids=(0, 1))
    if kind == "evaluation":
        bad = Skipped("a", "x", Path("x.png"), EVIL)
        records = [record(0.5, EVIL, image=EVIL)]
        report = EvaluationReport({EVIL: EVIL}, {"data": [EVIL]}, records, unreadable=[bad])
        html = evaluation_page(report, lambda *_: piece)
    elif kind == "objects":
        verdict = verdict_of([0.5, 0.6], [0.7, 0.8], 0.1, 0.3)
        for each in (*verdict.before, *verdict.after):
            object.__setattr__(each, "image", EVIL)
        html = verdict_page(verdict, lambda *_: piece, {EVIL: {EVIL: EVIL}})
    else:
        verdict = class_verdict_of(None, [0.8, 0.7])
        object.__setattr__(verdict, "classes", (EVIL, "soil"))
        object.__setattr__(verdict, "constant", EVIL)
        figures = {name.replace("leaf", EVIL): c for name, c in verdict.figures.items()}
        object.__setattr__(verdict, "figures", figures)
        html = verdict_page(verdict, lambda *_: piece)
    page = Page(html)
    assert "<script" not in html
    assert EVIL in page.text
    known = {"alt", "aria-label", "class", "style", "src", "scope", "tabindex", "role"}
    assert all(set(a) <= known for tag, a in page.tags if tag in ("img", "td", "th", "i", "dd"))


def test_pages_load_nothing_and_hold_no_unescaped_values(report, object_verdict, find):
    for html in (evaluation_page(report, find), verdict_page(object_verdict, find)):
        assert not re.search(r"https?://|<script|<link|@import|url\(|\son\w+=", html)
        policy = next(a for a in Page(html).all("meta") if "http-equiv" in a)
        assert policy["content"].startswith("default-src 'none'; img-src data:")
    for template in (Path(pages.__file__).parent / "templates").iterdir():
        source = template.read_text(encoding="utf-8")
        assert not re.search(r"\|\s*safe\b|autoescape|Markup", source)


def test_names_that_are_not_utf_8_are_written_with_escapes():
    html = evaluation_page(EvaluationReport({"model": "caf\udce9.pth"}, {}, [record(0.5)]))
    assert "caf\\udce9.pth" in html
    html.encode("utf-8")


def test_a_page_made_twice_has_the_same_bytes(models, pieces, report, find):
    again = evaluate_interactive(models[0], pieces, clicks=3, keep_masks=PICTURED)
    second = EvaluationReport(report.model, report.settings, again)
    assert second.to_json() == report.to_json()
    assert evaluation_page(second, find) == evaluation_page(report, find)
