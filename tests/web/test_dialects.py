"""Requests as other programs send them, and what these programs need to find in the answers."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
import tifffile
from fastapi.testclient import TestClient
from PIL import Image

import anymask
from anymask.errors import AnymaskError
from anymask.masks.polygons import fill_polygons
from anymask.masks.rle import mask_of
from anymask.predict.prompters import Detections, Prompter
from anymask.web.access import Access
from anymask.web.app import create_app
from anymask.web.dialects import DIALECTS
from anymask.web.dialects.brush_rle import brush_rle
from anymask.web.dialects.label_studio_files import LabelStudio
from anymask.web.workplace import Workplace
from tests.web.conftest import HOST, TOKEN

COFFEE = Path(skimage.__file__).parent / "data" / "coffee.png"
SIZE = (400, 600)
CUP = (285, 165)
BOX = (150, 60, 430, 330)


@pytest.fixture(scope="module")
def coffee() -> bytes:
    return COFFEE.read_bytes()


@pytest.fixture(scope="module")
def predictor(sam):
    made = anymask.SamPredictor(sam)
    made.set_image(np.asarray(Image.open(COFFEE).convert("RGB")))
    return made


@pytest.fixture
def access() -> Access:
    return Access(TOKEN, port=8321, dialects=DIALECTS)


@pytest.fixture
def files() -> LabelStudio:
    return LabelStudio()


@pytest.fixture
def detector() -> Prompter | None:
    return None


@pytest.fixture
def program(work: Workplace, access: Access, files: LabelStudio, detector) -> Iterator[TestClient]:
    """A program without the token of the session."""
    app = create_app(work, access, label_studio=files, detector=detector)
    with TestClient(app, base_url=HOST) as client:
        yield client


@pytest.fixture
def start(access: Access):
    """The address that a user enters, by the name of the dialect."""
    return lambda name: f"/{name}/{access.dialect_key(name)}{DIALECTS[name].entered}"


def filled(polygons: Any, size: tuple[int, int] = SIZE) -> np.ndarray:
    """The pixels of polygons whose rings are closed."""
    counts = fill_polygons(
        [[np.array(ring)[:-1] for ring in polygon] for polygon in polygons], size
    )
    return mask_of(counts, size)


def of_feature(feature: dict[str, Any], size: tuple[int, int] = SIZE) -> np.ndarray:
    geometry = feature["geometry"]
    several = geometry["type"] == "MultiPolygon"
    return filled(geometry["coordinates"] if several else [geometry["coordinates"]], size)


def text_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_qupath_gets_three_masks_of_a_point_and_the_box_of_its_pixels(
    program, start, coffee, predictor
):
    address = start("samapi")
    assert program.get(f"{address}version/").text.startswith("anymask")
    (weights,) = program.get(f"{address}weights/?type=vit_l").json()
    assert set(weights) == {"type", "name", "url"}
    body = {
        "type": "vit_l",
        "b64img": text_of(coffee),
        "point_coords": [[20, 20], list(CUP)],  # background first
        "point_labels": [0, 1],
        "multimask_output": True,
        "checkpoint_url": weights["url"],
    }
    features = program.post(address, json=body).json()
    masks, scores, _ = predictor.predict(body["point_coords"], body["point_labels"])
    for feature, mask, score in zip(features, masks, scores, strict=True):
        assert np.array_equal(of_feature(feature), mask)
        assert feature["properties"]["quality"] == pytest.approx(score, abs=1e-4)
        assert "object_idx" not in feature["properties"]
    body = {"type": "vit_l", "bbox": BOX, "b64img": text_of(coffee), "multimask_output": False}
    (feature,) = program.post(address, json=body).json()
    masks, _, _ = predictor.predict(box=np.array(BOX) - 0.5, multimask_output=False)
    assert np.array_equal(of_feature(feature), masks[0])


def test_qupath_finds_everything_with_its_own_thresholds_and_no_text_or_video(program, start, sam):
    picture = skimage.data.coins()[:150, :200]
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "png")
    body = {
        "type": "vit_b", "b64img": text_of(file.getvalue()), "points_per_side": 8,
        "points_per_batch": 64, "pred_iou_thresh": 0.5, "stability_score_thresh": 0.6,
        "stability_score_offset": 1.0, "box_nms_thresh": 0.7, "crop_n_layers": 0,
        "crop_nms_thresh": 0.7, "crop_overlap_ratio": 0.3413333333333333,
        "crop_n_points_downscale_factor": 1, "min_mask_region_area": 0,
        "output_type": "Single Mask", "include_image_edge": False,
    }  # fmt: skip
    features = program.post(f"{start('samapi')}automask/", json=body).json()
    generator = anymask.SamAutomaticMaskGenerator(
        sam, 8, pred_iou_thresh=0.5, stability_score_thresh=0.6, box_nms_thresh=0.7,
        min_mask_region_area=0, stability_score_offset=1.0,
    )  # fmt: skip
    expected = generator.generate_masks(np.stack([picture] * 3, -1))
    assert len(features) == len(expected) > 3
    for feature, mask in zip(features, expected, strict=True):
        assert np.array_equal(of_feature(feature, picture.shape), mask)
    refused = program.post(f"{start('samapi')}video/", json={})
    assert (refused.status_code, "not answered" in refused.json()["error"]) == (400, True)


CONFIG = """<View>
  <Image name="image" value="$photo" zoom="true"/>
  <{tag}Labels name="tag" toName="image"><Label value="Cup"/><Label value="Spoon"/></{tag}Labels>
  <KeyPointLabels name="point" toName="image" smart="true"><Label value="Cup"/></KeyPointLabels>
  <RectangleLabels name="box" toName="image" smart="true"><Label value="Cup"/></RectangleLabels>
</View>"""


def smart_click(place: str, tag: str = "Brush", **more: Any) -> dict[str, Any]:
    """What Label Studio sends when a smart point is set, and a box if it is given."""
    height, width = SIZE
    region = {"original_width": width, "original_height": height, "image_rotation": 0}
    point = {
        "x": (CUP[0] + 0.5) / width * 100, "y": (CUP[1] + 0.5) / height * 100,
        "width": 0.32, "keypointlabels": ["Cup"],
    }  # fmt: skip
    result = [{
        **region, "value": point, "is_positive": True, "id": "fBWv1t0S2L", "from_name": "point",
        "to_name": "image", "type": "keypointlabels", "origin": "manual",
    }]  # fmt: skip
    return {
        "tasks": [{"id": 7, "data": {"photo": place}, "project": 1}],
        "project": "1.1700000000",
        "label_config": CONFIG.format(tag=tag),
        "params": {"login": "", "password": "", "context": {"result": result}},
        **more,
    }


def decoded(rle: list[int]) -> np.ndarray:
    """The values of Label Studio's run lengths, bit by bit."""
    bits = "".join(f"{byte:08b}" for byte in rle)
    at = 0

    def number(width: int) -> int:
        nonlocal at
        at += width
        return int(bits[at - width : at], 2)

    total, word = number(32), number(5) + 1
    widths = [number(4) + 1 for _ in range(4)]
    values: list[int] = []
    while len(values) < total:
        repeated, length = number(1), number(widths[number(2)]) + 1
        values += [number(word)] * length if repeated else [number(word) for _ in range(length)]
    return np.array(values, np.uint8)


def test_label_studio_gets_a_brush_of_a_smart_point(program, start, coffee, predictor):
    address = start("label-studio")
    assert program.get(f"{address}/health").json()["status"] == "UP"
    body = smart_click(f"data:image/png;base64,{text_of(coffee)}")
    answer = program.post(f"{address}/predict", json=body).json()
    ((region,), score) = (answer["results"][0][key] for key in ("result", "score"))
    masks, scores, _ = predictor.predict([CUP], [1])
    best = scores.argmax()
    alpha = decoded(region["value"]["rle"]).reshape(*SIZE, 4)[..., 3]
    assert np.array_equal(alpha > 0, masks[best])
    assert score == region["score"] == pytest.approx(scores[best], abs=1e-4)
    assert region["value"]["brushlabels"] == ["Cup"]
    names = [region[key] for key in ("from_name", "to_name", "type")]
    assert names == ["tag", "image", "brushlabels"]
    assert (region["original_width"], region["original_height"]) == SIZE[::-1]


def test_label_studio_gets_polygons_in_percent_where_the_project_has_them(
    program, start, coffee, predictor
):
    body = smart_click(f"data:image/png;base64,{text_of(coffee)}", "Polygon")
    answer = program.post(f"{start('label-studio')}/predict", json=body).json()
    regions = answer["results"][0]["result"]
    assert {region["type"] for region in regions} == {"polygonlabels"}
    assert regions[0]["value"]["polygonlabels"] == ["Cup"]
    points = [np.array(r["value"]["points"]) * [6, 4] for r in regions]
    found = filled([[np.concatenate([ring, ring[:1]])] for ring in points])
    masks, scores, _ = predictor.predict([CUP], [1])
    mask = masks[scores.argmax()]
    assert (found & mask).sum() / (found | mask).sum() > 0.99


def test_label_studio_gets_a_result_for_each_task_without_smart_tools(program, start):
    body = smart_click("/data/upload/1/a.png")
    body |= {"tasks": body["tasks"] * 3, "params": {"context": None}}
    answer = program.post(f"{start('label-studio')}/predict", json=body).json()
    assert [each["result"] for each in answer["results"]] == [[], [], []]


class Studio(BaseHTTPRequestHandler):
    """A Label Studio with one uploaded photograph, for those who have the token."""

    def do_GET(self) -> None:
        known = self.headers["Authorization"] == "Token legacy"
        if self.path.startswith("/tasks/7/presign/"):
            self.send_response(303)
            self.send_header("Location", "http://elsewhere.example/secret")
            self.end_headers()
            return
        self.send_response(200 if known else 401)
        self.end_headers()
        if known and self.path == "/data/upload/1/coffee.png":
            self.wfile.write(COFFEE.read_bytes())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def studio() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Studio)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


class TestImagesOfTheNamedLabelStudio:
    @pytest.fixture
    def files(self, studio: str) -> LabelStudio:
        return LabelStudio(studio)

    def test_an_upload_is_fetched_with_the_token_that_label_studio_sent(
        self, program, start, studio
    ):
        address = start("label-studio")
        body = smart_click("/data/upload/1/coffee.png")
        refused = program.post(f"{address}/predict", json=body)
        assert "answered 401" in refused.json()["error"]
        setup = {"project": "1.1", "schema": "<View/>", "access_token": "legacy",
                 "hostname": "http://evil.example", "extra_params": None}  # fmt: skip
        assert "model_version" in program.post(f"{address}/setup", json=setup).json()
        for place in ("/data/upload/1/coffee.png", f"{studio}/data/upload/1/coffee.png"):
            body = smart_click(place)
            answer = program.post(f"{address}/predict", json=body)
            assert len(answer.json()["results"][0]["result"]) == 1, answer.text

    @pytest.mark.parametrize(
        ("place", "why"),
        [
            ("http://169.254.169.254/latest/meta-data", "only from the Label Studio"),
            ("//elsewhere.example/data/upload/1/a.png", "only from the Label Studio"),
            ("file:///etc/passwd", "only from the Label Studio"),
            ("/api/current-user/token", "no file of a task"),
            ("/data/upload/../../api/users", "no file of a task"),
            ("/data/upload/%2e%2e/%252e%252e/api/users", "no file of a task"),
            ("s3://bucket/a.png", "stored elsewhere"),  # a redirect is not followed
        ],
    )
    def test_nothing_else_is_fetched(self, program, start, place, why):
        answer = program.post(f"{start('label-studio')}/predict", json=smart_click(place))
        assert answer.status_code == 400
        assert why in answer.json()["error"]


def test_without_a_named_label_studio_nothing_is_fetched(program, start):
    body = smart_click("http://127.0.0.1:9/data/upload/1/a.png")
    answer = program.post(f"{start('label-studio')}/predict", json=body)
    assert (answer.status_code, "--label-studio" in answer.json()["error"]) == (400, True)
    with pytest.raises(AnymaskError, match="no address"):
        LabelStudio("localhost:8080")


def test_brush_run_lengths_of_long_and_short_runs_decode_to_the_mask():
    mask = np.random.default_rng(0).random((150, 200)) > 0.5
    mask[40:140] = True
    assert np.array_equal(decoded(brush_rle(mask)).reshape(150, 200, 4)[..., 3] > 0, mask)


def test_x_anylabeling_marks_an_object_and_segments_everything(
    program, start, access, coffee, predictor
):
    headers = {"Token": access.dialect_key("x-anylabeling")}
    models = program.get("/x-anylabeling/v1/models", headers=headers).json()["data"]
    ((name, facts),) = models.items()
    assert {"name": "button_add_point", "value": None} in facts["widgets"]
    x, y = CUP
    body = {
        "model": name,
        "image": f"data:image/png;base64,{text_of(coffee)}",
        "params": {
            "conf_threshold": 0.0, "iou_threshold": 0.0, "epsilon_factor": 0,
            "marks": [
                {"type": "rectangle", "data": BOX, "label": 1},
                {"type": "point", "data": [x + 0.5, y + 0.5], "label": 1},
            ],
        },
    }  # fmt: skip
    data = program.post("/x-anylabeling/v1/predict", headers=headers, json=body).json()["data"]
    assert data["replace"] is False
    assert {shape["label"] for shape in data["shapes"]} == {"AUTOLABEL_OBJECT"}
    masks, _, _ = predictor.predict([CUP], [1], np.array(BOX) - 0.5, multimask_output=False)
    assert np.array_equal(filled([[shape["points"]] for shape in data["shapes"]]), masks[0])
    text = {**body, "params": {"text_prompt": "cup"}}
    address = start("x-anylabeling")
    refused = program.post(f"{address}/v1/predict", json=text)
    assert (refused.status_code, "--detector" in refused.json()["error"]) == (400, True)


def test_geolibre_gets_polygons_on_the_map_of_its_clicks_in_degrees(program, start, predictor):
    pyproj = pytest.importorskip("pyproj")
    pixels = np.asarray(Image.open(COFFEE).convert("RGB"))
    file = io.BytesIO()
    keys = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32632)
    tags = [
        (33550, "d", 3, (2.0, 2.0, 0.0), True),
        (33922, "d", 6, (0, 0, 0, 500_000.0, 5_400_000.0, 0), True),
        (34735, "H", len(keys), keys, True),
    ]
    tifffile.imwrite(file, pixels, photometric="rgb", extratags=tags)
    to_degrees = pyproj.Transformer.from_crs(32632, 4326, always_xy=True).transform
    x, y = 500_000 + (CUP[0] + 0.5) * 2, 5_400_000 - (CUP[1] + 0.5) * 2
    form = {
        "output_format": "geojson", "min_size": "10", "model_id": "facebook/sam3.1",
        "model_version": "sam3", "point_crs": "EPSG:4326", "multimask_output": "false",
        "point_coords": json.dumps([to_degrees(x, y)]), "point_labels": "[1]",
    }  # fmt: skip
    sent = {"file": ("scene.tif", file.getvalue(), "image/tiff")}
    answer = program.post(f"{start('samgeo')}/segment/predict", data=form, files=sent)
    collection = answer.json()
    assert collection["crs"]["properties"]["name"].endswith("EPSG::32632")
    (feature,) = collection["features"]
    rings = feature["geometry"]["coordinates"]
    rings = rings if feature["geometry"]["type"] == "MultiPolygon" else [rings]
    corner = np.array([500_000.0, 5_400_000.0])
    back = [[(np.array(ring) - corner) / [2, -2] for ring in polygon] for polygon in rings]
    masks, scores, _ = predictor.predict([CUP], [1], multimask_output=False)
    assert np.array_equal(filled(back), masks[0])
    assert feature["properties"]["score"] == pytest.approx(scores[0], abs=1e-4)
    form["output_format"] = "geotiff"
    answer = program.post(f"{start('samgeo')}/segment/predict", data=form, files=sent)
    assert np.array_equal(tifffile.imread(io.BytesIO(answer.content)) > 0, masks[0])
    refused = program.post(f"{start('samgeo')}/segment/text", data={"prompt": "cup"}, files=sent)
    assert refused.status_code == 400


class TestWords:
    """With a detector that finds one box for each word."""

    @pytest.fixture
    def detector(self) -> Prompter:
        def find(image: np.ndarray, words: list[str]) -> Detections:
            assert image.shape == (*SIZE, 3)
            return Detections([BOX, (430, 250, 560, 370)], words, [0.9, 0.4])

        return Prompter(name="two", title="finds two things", find=find)

    def test_geolibre_names_what_it_wants(self, program, start, coffee, predictor):
        form = {"prompt": "cup, spoon", "confidence_threshold": "0.5", "output_format": "geojson",
                "backend": "meta", "min_size": "10", "model_id": "facebook/sam3.1"}  # fmt: skip
        sent = {"file": ("coffee.png", coffee, "image/png")}
        answer = program.post(f"{start('samgeo')}/segment/text", data=form, files=sent)
        (feature,) = answer.json()["features"]
        assert feature["properties"]["class_name"] == "cup"
        masks, _, _ = predictor.predict(box=BOX, multimask_output=False)
        assert np.array_equal(of_feature(feature), masks[0])

    def test_x_anylabeling_gets_the_words_as_labels(self, program, start, coffee):
        address = start("x-anylabeling")
        ((name, facts),) = program.get(f"{address}/v1/models").json()["data"].items()
        assert "edit_text" in [widget["name"] for widget in facts["widgets"]]
        params = {"text_prompt": "cup.spoon", "conf_threshold": 0.0, "epsilon_factor": 0.001}
        body = {"model": name, "image": text_of(coffee), "params": params}
        shapes = program.post(f"{address}/v1/predict", json=body).json()["data"]["shapes"]
        assert {shape["label"] for shape in shapes} == {"cup", "spoon"}


def test_a_box_of_geolibre_on_a_photograph_is_in_pixels(program, start, coffee, predictor):
    form = {"boxes": json.dumps([BOX]), "output_format": "geojson"}
    sent = {"file": ("coffee.png", coffee, "image/png")}
    answer = program.post(f"{start('samgeo')}/segment/predict", data=form, files=sent)
    (feature,) = answer.json()["features"]
    masks, _, _ = predictor.predict(box=BOX, multimask_output=False)
    assert np.array_equal(of_feature(feature), masks[0])


def test_a_key_opens_its_dialect_and_nothing_else(program, access, start):
    key = access.dialect_key("samapi")
    assert program.get(f"/samapi/{key}/sam/version/").status_code == 200
    for path in (
        f"/samapi/{'0' * 40}/sam/version/",
        "/samapi/sam/version/",
        f"/label-studio/{key}/health",
        f"/samapi/{TOKEN}/sam/version/",
    ):
        assert program.get(path).status_code == 401
    bearer = {"authorization": f"Bearer {key}"}
    assert program.get("/v1/images", headers=bearer).status_code == 401
    assert program.get(f"/?token={key}").status_code == 401
    basic = base64.b64encode(f"any:{access.dialect_key('label-studio')}".encode()).decode()
    answer = program.get("/label-studio/health", headers={"authorization": f"Basic {basic}"})
    assert answer.status_code == 200


def test_a_page_of_another_site_needs_the_key_and_to_be_allowed(work):
    access = Access(TOKEN, port=8321, origins=["https://maps.example"], dialects=["samgeo"])
    path = f"/samgeo/{access.dialect_key('samgeo')}/health"
    with TestClient(create_app(work, access), base_url=HOST) as client:
        for origin, status in (("https://maps.example", 200), ("https://evil.example", 403)):
            answer = client.get(path, headers={"origin": origin})
            assert answer.status_code == status
            allowed = answer.headers.get("access-control-allow-origin")
            assert allowed == (origin if status == 200 else None)
        site = {"origin": "https://maps.example"}
        assert client.get(f"/samgeo/{'0' * 40}/health", headers=site).status_code == 401


def test_dialects_that_are_not_asked_for_are_not_there(work, access):
    app = create_app(work, Access(TOKEN, port=8321))
    with TestClient(app, base_url=HOST) as client:
        headers = {"authorization": f"Bearer {TOKEN}"}
        path = f"/samapi/{access.dialect_key('samapi')}/sam/version/"
        assert client.get(path).status_code == 401
        assert client.get(path, headers=headers).status_code == 404


@pytest.mark.parametrize(
    "image",
    [
        "no base64!",
        "data:image/png,abc",
        text_of(b"<VRTDataset><SourceFilename>/etc/passwd</SourceFilename></VRTDataset>"),
        text_of(b"\x89PNG\r\n\x1a\n and nothing else"),
        text_of(b"\x89HDF\r\n\x1a\n"),
    ],
)
def test_what_is_no_image_gets_one_sentence(program, start, image):
    body = {"b64img": image, "point_coords": [[1, 1]], "point_labels": [1]}
    answer = program.post(start("samapi"), json=body)
    assert answer.status_code == 400
    assert answer.json()["error"].endswith(".")
    assert "/tmp" not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"b64img": 1}',
        b'{"b64img": "aGk="}',
        b'{"b64img": "aGk=", "point_coords": [[NaN, 1]]}',
    ],
)
def test_malformed_requests_get_one_sentence(program, start, body):
    answer = program.post(start("samapi"), content=body)
    assert answer.status_code == 400
    assert answer.json()["error"].endswith(".")


def test_prompts_beside_the_image_are_refused(program, start, coffee):
    body = {"b64img": text_of(coffee), "point_coords": [[9000, 1]], "point_labels": [1]}
    answer = program.post(start("samapi"), json=body)
    assert (answer.status_code, answer.json()["error"][-1]) == (400, ".")
    body = {"b64img": text_of(coffee)}
    assert "no prompt" in program.post(start("samapi"), json=body).json()["error"]
