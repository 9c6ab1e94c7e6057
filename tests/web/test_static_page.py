"""The page without a server: what is written, and the page in a real browser below a path."""

from __future__ import annotations

import base64
import functools
import http.server
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import skimage
from axe_playwright_python.sync_playwright import Axe
from PIL import Image

import anymask
from anymask.errors import AnymaskError
from anymask.model.config import VARIANTS
from anymask.web.static_page import StaticPage, write_page
from tests.web.pages import (
    CUP,
    PATIENCE,
    PHONE,
    commit,
    needs_chromium,
    place_of,
    wait_for_objects,
)

PATH = "/some/path/"


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> StaticPage:
    """The page with the shipped model, below a path of a web server."""
    return write_page(tmp_path_factory.mktemp("site") / "some" / "path")


@pytest.fixture
def address(written) -> Iterator[str]:
    """The address of the page on a web server that knows nothing of it."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    root = written.folder.parents[1]
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=root)
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}{PATH}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_folder_that_is_no_page_is_not_replaced(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(AnymaskError, match="is no page of anymask"):
        write_page(tmp_path, model="small", overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_model_exported_for_other_programs_is_refused(tmp_path):
    exported = tmp_path / "meta"
    exported.mkdir()
    (exported / "model.json").write_text(json.dumps({"anymask_onnx": 1, "contract": "meta"}))
    with pytest.raises(AnymaskError, match="export the model without --meta"):
        write_page(tmp_path / "page", model=str(exported))
    assert not (tmp_path / "page").exists()


def test_a_sam_2_is_refused(tmp_path):
    exported = tmp_path / "sam2"
    exported.mkdir()
    config = VARIANTS["sam2.1_hiera_tiny"].to_dict()
    facts = {"anymask_onnx": 1, "contract": "anymask", "config": config}
    (exported / "model.json").write_text(json.dumps(facts))
    for name in ("encoder.onnx", "decoder.onnx"):
        (exported / name).touch()
    with pytest.raises(AnymaskError, match="is a SAM 2"):
        write_page(tmp_path / "page", model=str(exported))
    assert not (tmp_path / "page").exists()


@pytest.mark.slow
def test_the_model_of_the_page_is_small_and_near_to_torch(written):
    assert sum(written.model.values()) <= 15e6
    assert written.parity["least_mask_iou"] >= 0.98
    text = (written.folder / "index.html").read_text(encoding="utf-8")
    assert "default-src 'self'" in text
    assert "/v1/" not in text
    assert "//" not in text.replace("http://127.0.0.1:8000", "").replace("<!doctype", "")
    assert (written.folder / "onnxruntime" / "LICENSE").is_file()


def pictures() -> dict[str, np.ndarray]:
    """Smaller and larger than the encoder's frame, wide and high, and with transparency."""
    coffee = skimage.data.coffee()
    rng = np.random.default_rng(0)
    large = np.array(Image.fromarray(skimage.data.chelsea()).resize((1604, 1003), Image.BICUBIC))
    large = (large + rng.integers(-20, 20, large.shape)).clip(0, 255).astype(np.uint8)
    clear = np.full((90, 120, 1), 255, np.uint8)
    clear[:20] = 0
    small = np.concatenate([skimage.data.astronaut()[100:190, 150:270], clear], 2)
    return {"wide": coffee, "high": np.rot90(coffee).copy(), "large": large, "small": small}


_PREDICT = """async ([name, data, prompts]) => {
    const { backend } = await import(new URL("alone/start.js", document.baseURI));
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    const { id } = await backend.ask("POST", `images?name=${name}`, new Blob([bytes]));
    const answers = [];
    for (const [points, labels, box] of prompts) {
        const masks = await backend.model.predict(backend.pictures.get(id), points, labels, box);
        answers.push(masks.map(({ score, runs }) => [score, [...runs]]));
    }
    return answers;
}"""


def mask_of(runs: list[int], shape: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(shape[0] * shape[1], bool)
    for start, end in zip(runs[::2], runs[1::2], strict=True):
        mask[start:end] = True
    return mask.reshape(shape[:2])


@pytest.mark.slow
@needs_chromium
def test_masks_in_the_page_are_those_of_python(browser, address, written, tmp_path):
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    predictor = anymask.SamPredictor(anymask.load(str(written.folder / "model")))
    for name, pixels in pictures().items():
        height, width = pixels.shape[:2]
        prompts = [
            ([[width * 0.5, height * 0.4]], [1], None),
            ([[width * 0.3, height * 0.5], [width * 0.6, height * 0.6]], [1, 0], None),
            ([], [], [width * 0.2, height * 0.2, width * 0.7, height * 0.8]),
            ([[width * 0.5, height * 0.5]], [1], [width * 0.1, height * 0.3, width * 0.9, height]),
        ]
        path = tmp_path / f"{name}.png"
        Image.fromarray(pixels).save(path)
        data = base64.b64encode(path.read_bytes()).decode()
        answers = page.evaluate(_PREDICT, [path.name, data, prompts])
        predictor.set_image(anymask.read_rgb(path))
        for (points, labels, box), answer in zip(prompts, answers, strict=True):
            masks, scores, _ = predictor.predict(
                np.array(points) if points else None,
                np.array(labels) if points else None,
                None if box is None else np.array(box),
                multimask_output=len(points) == 1 and box is None,
            )
            assert len(answer) == len(masks)
            for mask, score, (found, runs) in zip(masks, scores, answer, strict=True):
                theirs = mask_of(runs, pixels.shape)
                assert (mask & theirs).sum() >= 0.98 * (mask | theirs).sum(), (name, points, box)
                assert found == pytest.approx(score, abs=1e-3)
    page.close()


STEPS = Path(__file__).with_name("random_steps.js")


@pytest.mark.slow
@needs_chromium
def test_every_step_in_the_page_is_undone_and_redone(browser, address):
    page = browser.new_page()
    page.goto(address)
    assert page.evaluate(STEPS.read_text(encoding="utf-8"), 7)
    page.close()


def everything_by_touch(browser, address: str) -> None:
    """On a phone: the sample, everything with its sliders, and an object deleted."""
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    page.tap("#open-sample")
    page.wait_for_function("() => document.querySelector('#image-name').textContent")
    page.tap("#everything")
    page.check("input[name=points][value='16']")
    page.tap("#everything-dialog button.main")
    page.wait_for_function("() => document.querySelector('#job-bar').value > 0")
    page.tap("#everything")  # opens the panel in which a run can be cancelled
    page.tap("#job-cancel")
    page.wait_for_function("() => document.querySelector('#job').hidden")
    assert page.locator("#object-list button").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    context.close()


@pytest.mark.slow
@needs_chromium
def test_work_in_the_page_ends_in_files_that_anymask_reads(browser, address, tmp_path):
    context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    hosts, errors = set(), []
    # The address of a blob is one of the page's memory.
    page.on("request", lambda asked: hosts.add(urlsplit(asked.url.removeprefix("blob:")).netloc))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: said.type == "error" and errors.append(said.text))
    page.goto(address)
    page.set_input_files("#files", Path(skimage.__file__).parent / "data" / "coffee.png")
    page.wait_for_selector("#image-list button")

    # A click with its candidates, then a box, of a class; what is deleted comes back.
    page.mouse.click(*place_of(page, *CUP))
    page.wait_for_selector("#candidates button:nth-child(3)")
    page.keyboard.press("n")
    page.fill("#class-name", "cup")
    page.press("#class-name", "Enter")
    page.locator("#overlay").focus()
    commit(page)
    wait_for_objects(page, 1)
    page.keyboard.press("b")
    page.mouse.move(*place_of(page, 400, 240))
    page.mouse.down()
    page.mouse.move(*place_of(page, 560, 380), steps=4)
    page.mouse.up()
    page.keyboard.press("0")
    commit(page)
    wait_for_objects(page, 2)
    page.keyboard.press("d")
    page.mouse.move(*place_of(page, 30, 30))
    page.mouse.down()
    page.mouse.move(*place_of(page, 80, 40), steps=4)
    page.mouse.up()
    wait_for_objects(page, 3)
    page.keyboard.press("Delete")
    wait_for_objects(page, 2)
    page.keyboard.press("Control+z")
    wait_for_objects(page, 3)
    problems = Axe().run(page).response["violations"]
    assert [each["id"] for each in problems] == []

    page.click("#export")
    for name in ("coco", "imagej"):
        page.check(f"[name=format][value={name}]")
    with page.expect_download() as download:
        page.click("#export-dialog button.main")
    with zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes())) as archive:
        archive.extractall(tmp_path)
    found = {path.name: anymask.load_masks(path) for path in tmp_path.iterdir()}
    assert sorted(found) == ["coffee.labels.png", "coffee.masks.json", "coffee.rois.zip"]
    shown = page.evaluate(
        "async () => { const { state } = await import(new URL('page/state.js', document.baseURI));"
        " return [...state.objects.values()].map((each) => [each.id, each.class, each.area]); }"
    )
    labels = found["coffee.labels.png"].to_labels()
    assert labels[CUP[1], CUP[0]] == 1
    for masks in found.values():
        table = zip(masks.ids.tolist(), masks.class_names, masks.areas.tolist(), strict=True)
        assert [list(row) for row in table] == sorted(shown)
        assert (masks.to_labels() == labels).all()
    assert (hosts, errors) == ({urlsplit(address).netloc}, [])
    context.close()
    everything_by_touch(browser, address)


@pytest.mark.slow
@needs_chromium
def test_opened_as_a_file_the_page_says_what_to_do(browser, written):
    page = browser.new_page()
    page.goto((written.folder / "index.html").as_uri())
    assert page.locator("#as-file").is_visible()
    assert "python -m http.server" in page.inner_text("#as-file")
    page.close()
