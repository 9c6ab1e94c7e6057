"""The REST interface does what the session does, for several people at once."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import skimage.io
import tifffile
from PIL import Image

import anymask
from anymask.session import Session, points_along
from anymask.web.leases import Leases
from tests.web.conftest import envi_cube, pixels_of

CUP = {"points": [[285, 165]], "labels": [1]}
IMAGE = "/v1/images/i1"


def test_a_click_gives_the_masks_of_the_predictor(client, photos, sam):
    answer = client.post(f"{IMAGE}/predict", json=CUP).json()
    predictor = anymask.SamPredictor(sam, keep_clicked=True)
    predictor.set_image(skimage.io.imread(photos / "coffee.png"))
    masks, scores, _ = predictor.predict([[285, 165]], [1])
    assert len(answer["masks"]) == 3
    for mask, ours, score in zip(answer["masks"], masks, scores, strict=True):
        assert np.array_equal(pixels_of(mask["rle"]), ours)
        assert abs(mask["score"] - score) < 1e-4
    assert answer["best"] == int(np.argmax(scores))
    shown = client.get(f"{IMAGE}/previews/{answer['preview']}.png?candidate={answer['best']}")
    assert np.array_equal(skimage.io.imread(io.BytesIO(shown.content)) > 0, masks[answer["best"]])


def test_a_scribble_is_asked_at_points_along_it(client):
    path = [[250, 150], [290, 165], [320, 190]]
    asked = {"scribbles": [{"path": path}, {"path": [[20, 20], [21, 20]], "label": 0}]}
    points = points_along(path)
    same = {"points": [*points, *points_along([[20, 20], [21, 20]])]}
    same["labels"] = [1] * len(points) + [0]
    one, other = (
        client.post(f"{IMAGE}/predict", json=body).json()["masks"] for body in (asked, same)
    )
    assert one == other
    assert len(points) > 3


def test_outlines_enclose_exactly_the_pixels_of_the_mask(client):
    (mask,) = client.post(
        f"{IMAGE}/predict", json={"box": [150, 60, 430, 330], "masks": "outline"}
    ).json()["masks"]
    signed = 0.0
    for ring in mask["outline"]:
        x, y = np.array(ring).reshape(-1, 2).T
        signed += (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2
    assert signed == mask["area"] > 1000


def test_a_committed_object_is_undone_redone_and_there_when_the_folder_is_opened(
    client, photos, work
):
    preview = client.post(f"{IMAGE}/predict", json=CUP).json()
    given = {**CUP, "preview": preview["preview"], "candidate": 0, "class": "cup"}
    made = client.post(f"{IMAGE}/objects", json=given).json()
    (cup,) = made["objects"]
    assert (cup["class"], cup["origin"], made["state"]) == ("cup", "click", "edited")
    undone = client.post(f"{IMAGE}/undo", json={"revision": made["revision"]}).json()
    assert (undone["gone"], undone["undo"], undone["redo"]) == ([cup["id"]], None, "click")
    client.post(f"{IMAGE}/redo")
    (listed,) = client.get(f"{IMAGE}/objects").json()["objects"]
    assert np.array_equal(pixels_of(listed["rle"]), pixels_of(preview["masks"][0]["rle"]))
    work.close()
    with Session.open(photos / "photos.anymask") as session:
        labels = session.layers.labels(session.layers[0])
        assert np.array_equal(labels > 0, pixels_of(listed["rle"]))
        assert session.layers.info(session.layers[0], cup["id"]).class_name == "cup"


def test_the_second_of_two_people_is_told_that_the_first_was_quicker(client):
    seen = client.get(f"{IMAGE}/objects?masks=none").json()["revision"]
    drawn = {"mask": {"size": [2, 3], "counts": [0, 6]}, "left": 5, "top": 7, "how": "new"}
    first = client.post(f"{IMAGE}/paint", json={**drawn, "revision": seen})
    second = client.post(f"{IMAGE}/paint", json={**drawn, "left": 50, "revision": seen})
    assert (first.status_code, second.status_code) == (200, 409)
    assert second.json()["code"] == "revision"
    assert "changed by someone else" in second.json()["error"]
    objects = client.get(f"{IMAGE}/objects").json()["objects"]
    assert [each["box"] for each in objects] == [[5, 7, 3, 2]]


def test_a_lease_tells_who_works_on_an_image_until_it_lapses(client, work, monkeypatch):
    now = 0.0
    monkeypatch.setattr(work, "leases", Leases(lambda: now))
    ann, bob = {"x-user": "ann"}, {"x-user": "bob"}

    def take(who: dict, name: str, image: str = "i1") -> tuple:
        told = client.put(f"/v1/images/{image}/lease", json={"name": name}, headers=who).json()
        return told["yours"], told["name"]

    assert take(ann, "Ann") == (True, "Ann")
    assert take(bob, "Bob") == (False, "Ann")
    assert client.get(f"{IMAGE}/lease", headers=bob).json()["held"]
    # It locks nobody out.
    drawn = {"mask": {"size": [1, 1], "counts": [0, 1]}, "left": 0, "top": 0, "how": "new"}
    assert client.post(f"{IMAGE}/paint", json=drawn, headers=bob).status_code == 200
    now = 59.0
    assert take(ann, "Ann") == (True, "Ann")  # renewed
    now = 118.0
    assert take(bob, "Bob") == (False, "Ann")
    now = 119.5
    assert take(bob, "Bob") == (True, "Bob")
    assert take(ann, "Ann") == (False, "Bob")
    assert take(bob, "Bob", "i2") == (True, "Bob")  # who goes on leaves the image before
    assert take(ann, "Ann") == (True, "Ann")
    client.delete(f"{IMAGE}/lease", headers=bob)
    assert client.get(f"{IMAGE}/lease").json()["name"] == "Ann"
    client.delete(f"{IMAGE}/lease", headers=ann)
    assert not client.get(f"{IMAGE}/lease").json()["held"]


def test_drawing_merging_splitting_and_classes(client):
    def drawn(left: int, **more) -> dict:
        body = {"mask": {"size": [4, 4], "counts": [0, 16]}, "left": left, "top": 10, **more}
        return client.post(f"{IMAGE}/paint", json={"how": "new", **body}).json()

    client.put("/v1/classes", json={"classes": [{"name": "bean", "color": "#112233"}]})
    one, two = (drawn(left, **{"class": "bean"})["objects"][0] for left in (10, 30))
    merged = client.post(f"{IMAGE}/merge", json={"ids": [one["id"], two["id"]]}).json()
    assert (merged["objects"][0]["area"], merged["gone"]) == (32, [two["id"]])
    split = client.post(f"{IMAGE}/split", json={"id": one["id"]}).json()
    assert sorted(each["area"] for each in split["objects"]) == [16, 16]
    erased = drawn(12, how="erase", id=one["id"])
    assert [each["area"] for each in erased["objects"]] == [8]
    renamed = client.post("/v1/classes/rename", json={"old": "bean", "new": "seed"}).json()
    assert renamed["classes"] == [{"name": "seed", "color": "#112233"}]
    listed = client.get(f"{IMAGE}/objects?masks=none").json()["objects"]
    assert {each["class"] for each in listed} == {"seed"}
    ids = [each["id"] for each in listed]
    assert client.post(f"{IMAGE}/delete", json={"ids": ids}).json()["gone"] == ids
    labels = tifffile.imread(io.BytesIO(client.get(f"{IMAGE}/labels.tif").content))
    assert labels.shape == (400, 600)
    assert not labels.any()


def test_everything_is_a_job_whose_thresholds_act_without_the_model(client, finished):
    coins = "/v1/images/i2"
    body = {"images": ["i2"], "points_per_side": 8}
    job = finished(client.post("/v1/jobs/everything", json=body))
    assert (job["state"], job["result"]["done"]) == ("done", [["i2", "rgb"]])
    found = client.get(f"{coins}/objects?masks=none").json()
    assert len(found["objects"]) > 3
    limits = client.get(f"{coins}/thresholds").json()["limits"]
    higher = {"pred_iou": max(each["score"] for each in found["objects"]) - 1e-3}
    shown = client.post(f"{coins}/thresholds", json={**higher, "preview": True}).json()["objects"]
    assert 0 < len(shown) < len(found["objects"])
    assert client.get(f"{coins}/objects?masks=none").json() == found
    client.post(f"{coins}/thresholds", json=higher)
    assert len(client.get(f"{coins}/objects?masks=none").json()["objects"]) == len(shown)
    lower = {"pred_iou": max(limits["pred_iou"] - 0.1, 0)}
    refused = client.post(f"{coins}/thresholds", json=lower)
    assert (refused.status_code, "segment again" in refused.json()["error"]) == (400, True)
    client.post(f"{coins}/delete", json={"ids": [shown[0]["id"]]})
    refused = client.post("/v1/jobs/everything", json=body)
    assert (refused.status_code, refused.json()["code"]) == (409, "edited")


def test_a_click_is_answered_while_a_run_goes_on_and_the_run_is_cancelled(client, finished):
    client.post(f"{IMAGE}/prepare")
    started = client.post("/v1/jobs/everything", json={"images": ["i1"], "points_per_side": 128})
    assert client.post(f"{IMAGE}/predict", json=CUP).status_code == 200
    address = f"/v1/jobs/{started.json()['id']}"
    assert client.get(address).json()["state"] in ("waiting", "running")
    client.delete(address)
    job = finished(started)
    assert (job["state"], job["result"]["done"]) == ("cancelled", [])
    assert client.get(f"{IMAGE}/objects").json() == {
        "revision": 0, "state": "new", "undo": None, "redo": None, "objects": [],
    }  # fmt: skip


def test_every_format_is_offered_and_an_export_is_downloaded(client, finished):
    client.post(f"{IMAGE}/objects", json={**CUP, "class": "cup"})
    names = [each["name"] for each in client.get("/v1/formats").json()["formats"]]
    assert set(anymask.io.FORMATS) >= {"coco", "labels"} <= set(names)
    job = finished(client.post("/v1/jobs/export", json={"formats": ["coco", "labels", "csv"]}))
    assert job["state"] == "done", job
    with zipfile.ZipFile(io.BytesIO(client.get(job["result"]["address"]).content)) as archive:
        assert set(archive.namelist()) == {
            "annotations.json",
            "coffee.labels.tif",
            "coffee.masks.csv",
        }
        coco = json.loads(archive.read("annotations.json"))
        labels = tifffile.imread(io.BytesIO(archive.read("coffee.labels.tif")))
    (annotation,) = coco["annotations"]
    assert annotation["area"] == np.count_nonzero(labels)
    alone = finished(client.post("/v1/jobs/export", json={"formats": ["labels"], "images": ["i1"]}))
    file = client.get(alone["result"]["address"]).content
    assert np.array_equal(tifffile.imread(io.BytesIO(file)), labels)
    nothing = finished(
        client.post("/v1/jobs/export", json={"formats": ["labels"], "images": ["i2"]})
    )
    assert (nothing["state"], "no masks yet" in nothing["sentence"]) == ("failed", True)


def test_pictures_are_those_of_the_file(client, photos):
    photo = skimage.io.imread(photos / "coffee.png")
    whole = client.get(f"{IMAGE}/picture")
    assert np.array_equal(skimage.io.imread(io.BytesIO(whole.content)), photo)
    tile = client.get(f"{IMAGE}/tiles/0/1/0")
    seen = skimage.io.imread(io.BytesIO(tile.content)).astype(int)
    assert seen.shape == (400, 600 - 512, 3)
    assert np.abs(seen - photo[:, 512:]).mean() < 4  # WebP loses a little
    assert client.get(f"{IMAGE}/tiles/0/2/0").status_code == 400
    assert client.get(f"{IMAGE}/thumbnail").headers["content-type"] == "image/webp"


def test_an_image_that_is_sent_is_kept_and_one_that_is_none_is_not(client, photos):
    file = io.BytesIO()
    Image.fromarray(np.zeros((20, 30), np.uint8)).save(file, "png")
    sent = client.post("/v1/images?name=../../new.png", content=file.getvalue())
    assert (sent.status_code, sent.json()["width"]) == (201, 30)
    assert (photos / "new.png").read_bytes() == file.getvalue()
    again = client.post("/v1/images?name=new.png", content=b"other")
    assert (again.status_code, (photos / "new.png").read_bytes()) == (400, file.getvalue())
    assert client.post("/v1/images?name=no.png", content=b"no picture").status_code == 400
    assert client.post("/v1/images?name=run.sh", content=b"rm").status_code == 400
    assert {path.name for path in photos.iterdir()} == {
        "coffee.png", "coins.png", "new.png", "photos.anymask",
    }  # fmt: skip


def test_an_envi_header_and_its_data_are_sent_together(client, photos, tmp_path):
    header, data = envi_cube(tmp_path)

    def send(*files: Path):
        return client.post("/v1/images", files=[("file", (f.name, f.read_bytes())) for f in files])

    sent = send(data, header)  # in any order
    assert (sent.status_code, sent.json()["bands"], sent.json()["width"]) == (201, 6, 5), sent.text
    assert (photos / "cube.dat").read_bytes() == data.read_bytes()
    assert send(header, data).status_code == 400  # both are there already
    alone = client.post("/v1/images?name=other.hdr", content=header.read_bytes())
    assert "together" in alone.json()["error"]
    header, data = envi_cube(tmp_path, "short")
    data.write_bytes(b"too short")
    before = set(photos.iterdir())
    for files in ((header, data), (header,), (header, data, data), (data, data)):
        answer = send(*files)
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"].endswith(".")
        assert str(photos) not in answer.json()["error"]
    assert set(photos.iterdir()) == before


def test_the_description_lists_every_address_and_the_page_asks_only_here(client):
    paths = client.get("/v1/openapi.json").json()["paths"]
    assert {"/v1/images", "/v1/images/{image}/predict", "/v1/jobs/everything"} <= set(paths)
    page = client.get("/").text
    assert "https://" not in page
    assert "http://" not in page.replace("http://www.w3.org/", "")
