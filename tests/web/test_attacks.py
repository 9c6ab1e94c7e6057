"""What the server refuses."""

from __future__ import annotations

import asyncio
import socket
import threading
import zlib
from contextlib import contextmanager

import h5py
import numpy as np
import pytest
import tifffile
import uvicorn
from fastapi.testclient import TestClient

from anymask.errors import AnymaskError
from anymask.web import connections, guarding
from anymask.web.access import Access, token_of
from anymask.web.app import create_app
from anymask.web.pace import Pace
from anymask.web.server import bound
from tests.web.conftest import HOST, TOKEN

WHOLE = b"GET /page/icon.svg HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def test_nothing_is_told_without_the_token_and_the_address_gives_a_strict_cookie(stranger):
    for path in ("/", "/v1/images", "/v1/openapi.json", "/v1/events", "/?token=wrong"):
        assert stranger.get(path).status_code == 401
    wrong = {"authorization": "Bearer wrong"}
    assert stranger.get("/v1/images", headers=wrong).status_code == 401
    opened = stranger.get(f"/?token={TOKEN}")
    assert opened.status_code == 200
    cookie = opened.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert TOKEN not in cookie
    assert stranger.get("/v1/images").status_code == 200  # by the cookie
    stranger.cookies.clear()
    assert stranger.get(f"/v1/images?token={TOKEN}").status_code == 401


def test_guessing_tokens_is_slowed_down_and_does_not_keep_the_owner_out(stranger):
    def status(token: str) -> int:
        given = {"authorization": f"Bearer {token}"}
        return stranger.get("/v1/status", headers=given).status_code

    assert [status(f"guess {n}") for n in range(32)] == [401] * 29 + [429] * 3
    assert status(TOKEN) == 200
    with pytest.raises(AnymaskError, match="too easy to guess"):
        Access("secret")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),  # its name was made to point here
        ({"host": "127.0.0.1.evil.example:8321"}, 421),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:9999"}, 403),  # another server on this machine
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, 403),
        ({"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"}, 403),
        ({"origin": HOST, "sec-fetch-site": "same-origin"}, 200),
        ({"host": "localhost:8321"}, 200),
    ],
)
def test_other_sites_and_names_are_refused_even_with_the_token(client, headers, status):
    assert client.get("/v1/images", headers=headers).status_code == status


def test_only_an_allowed_origin_may_read_across_sites(work):
    app = create_app(work, Access(TOKEN, port=8321, origins=["https://lab.example"]))
    with TestClient(app, base_url=HOST) as client:
        for origin, allowed in (("https://lab.example", True), ("https://evil.example", False)):
            asks = {"origin": origin, "access-control-request-method": "POST"}
            before = client.options("/v1/classes", headers=asks)
            assert (before.headers.get("access-control-allow-origin") == origin) is allowed
            given = {"origin": origin, "authorization": f"Bearer {TOKEN}"}
            assert (client.get("/v1/images", headers=given).status_code == 200) is allowed


def test_every_answer_forbids_foreign_code_and_frames(client, stranger):
    for answer in (client.get("/"), client.get("/v1/images"), client.get("/v1/nothing")):
        assert answer.headers["content-security-policy"].startswith("default-src 'self';")
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "/page/../app.py",
        "/page/%2e%2e/app.py",
        "/page/..%2f..%2fsession%2fsession.py",
        "/v1/images/..%2f..%2fetc/thumbnail",
        "/v1/exports/../../x/y",
        "/v1/exports/x/..%2f..%2fpasswd",
    ],
)
def test_no_path_leads_out(client, path):
    answer = client.get(path)
    assert answer.status_code in (401, 404)
    assert "import" not in answer.text


def test_bodies_are_bounded_however_they_come(client, photos):
    large = b"[" + b"1," * (guarding.MOST_BODY // 2) + b"1]"
    json = {"content-type": "application/json"}
    assert client.post("/v1/images/i1/merge", content=large, headers=json).status_code == 413
    pieces = (large[start : start + 2**20] for start in range(0, len(large), 2**20))
    answer = client.post("/v1/images/i1/merge", content=pieces, headers=json)  # no length is said
    assert answer.status_code == 413
    assert client.post("/v1/images?name=a.png", content=bytes(200_001)).status_code == 413
    assert client.post("/v1/images?name=a.png", content=iter([bytes(200_001)])).status_code == 413
    assert not list(photos.glob("*a.png"))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("predict", {"points": [[1, 2]], "labels": [7]}),
        ("predict", {"points": [["NaN", 2]], "labels": [1]}),
        ("predict", {"points": [[1, 2]] * 2000, "labels": [1] * 2000}),
        ("predict", {"points": [[1, 2]], "labels": []}),
        ("predict", {"points": [[9000, 2]], "labels": [1]}),
        ("predict", {}),
        ("merge", {"ids": [1]}),
        ("merge", {"ids": [-1, 2]}),
        ("merge", {"ids": [1, 2], "more": 1}),
        (
            "paint",
            {"mask": {"size": [99999, 99999], "counts": [0]}, "left": 0, "top": 0, "how": "new"},
        ),
        (
            "paint",
            {"mask": {"size": [2, 2], "counts": "\x00\xff"}, "left": 0, "top": 0, "how": "new"},
        ),
        ("paint", {"mask": {"size": [2, 2], "counts": [0, 9]}, "left": 0, "top": 0, "how": "new"}),
        ("classify", b"{"),
        ("classify", b"\xff\xfe"),
        ("thresholds", {"pred_iou": 0.9}),
    ],
)
def test_malformed_requests_get_one_sentence_and_change_nothing(client, path, body):
    given = {"content": body} if isinstance(body, bytes) else {"json": body}
    answer = client.post(f"/v1/images/i1/{path}", **given)
    assert answer.status_code in (400, 422)
    assert answer.json()["error"].endswith(".")
    assert client.get("/v1/images/i1/objects").json()["revision"] == 0


def test_an_image_that_would_fill_the_memory_is_refused(client, photos):
    side = 60_000  # 3.6 thousand million pixels in some kilobytes

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data).to_bytes(4, "big")
        return len(data).to_bytes(4, "big") + kind + data + check

    head = side.to_bytes(4, "big") * 2 + bytes([1, 0, 0, 0, 0])
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
    bomb += chunk(b"IDAT", zlib.compress(bytes(10_000_000), 9)) + chunk(b"IEND", b"")
    answer = client.post("/v1/images?name=bomb.png", content=bomb)
    assert answer.status_code in (400, 413)
    assert not (photos / "bomb.png").exists()


def _linked(path, secret):
    with h5py.File(path, "w") as file:
        file["image"] = h5py.ExternalLink(str(secret), "/image")


def _stored_elsewhere(path, secret):
    with h5py.File(path, "w") as file:
        file.create_dataset("image", (4, 4), "u1", external=[(str(secret), 0, 16)])


def _virtual(path, secret):
    layout = h5py.VirtualLayout((4, 4), "u1")
    layout[:] = h5py.VirtualSource(str(secret), "image", (4, 4))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("image", layout)


def _vrt(path, secret):
    path.write_text(
        '<VRTDataset rasterXSize="4" rasterYSize="4"><VRTRasterBand dataType="Byte" band="1" '
        f'subClass="VRTRawRasterBand"><SourceFilename>{secret}</SourceFilename></VRTRasterBand>'
        "</VRTDataset>"
    )


def _split_tiff(path, secret):
    tifffile.imwrite(secret.with_suffix(".ome.tif"), np.ones((4, 4), np.uint8), ome=True)
    frame = '<Pixels ID="P:0" DimensionOrder="XYZCT" Type="uint8" SizeX="4" SizeY="4" SizeZ="1" '
    frame += 'SizeC="1" SizeT="1"><TiffData IFD="0" PlaneCount="1"><UUID FileName="'
    frame += f'{secret.with_suffix(".ome.tif")}">urn:uuid:1</UUID></TiffData></Pixels>'
    xml = '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
    xml += f'UUID="urn:uuid:0"><Image ID="I:0">{frame}</Image></OME>'
    tifffile.imwrite(path, np.zeros((4, 4), np.uint8), description=xml, metadata=None)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("a.h5", _linked), ("a.h5", _stored_elsewhere), ("a.h5", _virtual), ("a.vrt", _vrt),
        ("a.ome.tif", _split_tiff),
    ],
)  # fmt: skip
def test_a_file_that_names_a_file_of_the_server_is_refused(client, photos, tmp_path, name, make):
    secret = tmp_path / "secret.bin"
    secret.write_bytes(bytes(range(200, 232)))
    made = tmp_path / name
    make(made, secret)
    answer = client.post(f"/v1/images?name={name}", content=made.read_bytes())
    assert (answer.status_code, "other files" in answer.json()["error"]) == (400, True)
    assert not (photos / name).exists()


def test_a_body_that_never_ends_is_given_up(monkeypatch):
    monkeypatch.setattr(guarding, "_BODY_SECONDS", 0.05)

    async def app(scope, receive, send):
        await receive()

    async def silence():
        await asyncio.sleep(3600)

    headers = [(b"host", b"127.0.0.1:8321"), (b"authorization", f"Bearer {TOKEN}".encode())]
    scope = {"type": "http", "method": "POST", "path": "/v1/images/i1/merge", "headers": headers}
    guard = guarding.Guard(app, Access(TOKEN, port=8321), 10)
    with pytest.raises(guarding.TooSlow) as refused:
        asyncio.run(guard({**scope, "query_string": b""}, silence, silence))
    assert refused.value.status_code == 408


def test_an_address_with_very_many_requests_waits_and_others_do_not():
    now = 0.0
    pace = Pace(3, 2, lambda: now)
    assert [pace.wait_of("a") for _ in range(5)] == [0, 0, 0, 1, 1]
    assert pace.wait_of("b") == 0
    now = 1.0
    assert [pace.wait_of("a") for _ in range(3)] == [0, 0, 1]
    now = 100.0
    assert [pace.wait_of("a") for _ in range(4)] == [0, 0, 0, 1]  # no more are saved up


def test_too_many_requests_are_told_when_to_come_back(client, monkeypatch):
    monkeypatch.setattr(Pace, "wait_of", lambda *_: 7)
    answer = client.get("/v1/status")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert answer.json()["error"].endswith(".")


@pytest.mark.parametrize(("first", "part"), [(b"", b""), (b"", WHOLE[:30]), (WHOLE, WHOLE[:30])])
def test_a_connection_that_sends_no_whole_request_is_closed(work, monkeypatch, first, part):
    monkeypatch.setattr(connections, "_HEAD_SECONDS", 0.2)
    with _listening(work) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as slow:
            if first:
                slow.sendall(first)
                assert slow.recv(12) == b"HTTP/1.1 200"
            slow.sendall(part)
            while slow.recv(65536):  # the rest of an answer, then the end
                pass


def test_one_address_does_not_hold_all_connections(work, monkeypatch):
    monkeypatch.setattr(connections, "_MOST_OF_AN_ADDRESS", 2)
    with _listening(work) as port:
        held = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(3)]
        assert held[2].recv(1) == b""  # closed at once
        held[0].sendall(WHOLE)
        assert held[0].recv(12) == b"HTTP/1.1 200"
        for each in held:
            each.close()
    assert not connections.Patient.open_of


@contextmanager
def _listening(work):
    listening = bound("127.0.0.1", 0)
    port = listening.getsockname()[1]
    app = create_app(work, Access(TOKEN, port=port))
    config = uvicorn.Config(app, http=connections.Patient, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        yield port
    finally:
        server.should_exit = True
        thread.join()


def test_the_token_stays_the_same_until_a_new_one_is_wanted(tmp_path, monkeypatch):
    monkeypatch.setenv("ANYMASK_HOME", str(tmp_path))
    first = token_of(tmp_path / "a.anymask")
    assert token_of(tmp_path / "a.anymask") == first != token_of(tmp_path / "b.anymask")
    assert token_of(tmp_path / "a.anymask", new=True) != first
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "serve").iterdir()} == {0}


def test_a_container_gives_the_token_by_its_environment_or_a_file(tmp_path, monkeypatch):
    monkeypatch.setenv("ANYMASK_HOME", str(tmp_path / "never"))
    monkeypatch.setenv("ANYMASK_TOKEN", TOKEN)
    assert token_of(tmp_path / "a.anymask") == TOKEN
    with pytest.raises(AnymaskError, match="environment"):
        token_of(tmp_path / "a.anymask", new=True)
    (tmp_path / "token").write_text("another-long-secret\n")
    monkeypatch.setenv("ANYMASK_TOKEN_FILE", str(tmp_path / "token"))
    assert token_of(tmp_path / "a.anymask") == "another-long-secret"
    monkeypatch.setenv("ANYMASK_TOKEN_FILE", str(tmp_path / "missing"))
    with pytest.raises(AnymaskError, match="cannot be read"):
        token_of(tmp_path / "a.anymask")
    assert not (tmp_path / "never").exists()
