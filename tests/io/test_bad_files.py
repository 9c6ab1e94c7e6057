"""Files that are damaged, false or hostile, and places that cannot be written to."""

from __future__ import annotations

import errno
import json
import os
import pickle
import resource
import signal
import struct
import tracemalloc
import zipfile
import zlib
from contextlib import contextmanager

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from anymask.errors import AnymaskError, OutputError
from anymask.io import FORMATS, load_masks, save_masks
from anymask.masks.mask_set import MaskSet

READABLE = ("coco", "npz", "labels", "png", "labels-npz", "voc", "labelme", "geojson", "imagej")
FILES = [name for name in FORMATS if name != "zarr"]


@pytest.fixture
def masks() -> MaskSet:
    labels = np.zeros((30, 40), np.uint16)
    labels[2:9, 3:20], labels[12:25, 15:30] = 300, 7
    labels[15:20, 20:25] = 0
    return MaskSet.from_labels(labels).with_class_names(["leaf", "stem"])


def refusal(path, *size) -> str:
    """The sentence with which a file is refused."""
    with pytest.raises(AnymaskError) as caught:
        load_masks(path, *size)
    text = str(caught.value)
    assert text.endswith((".", ".'"))
    assert "\n" not in text
    assert len(text) < 600
    return text


@pytest.mark.parametrize("form", READABLE)
def test_a_file_cut_short_is_refused_in_one_sentence(tmp_path, masks, form):
    path = tmp_path / ("a" + FORMATS[form].suffix)
    save_masks(masks, path, form)
    data = path.read_bytes()
    for share in (0.3, 0.6, 0.8):
        path.write_bytes(data[: int(len(data) * share)])
        assert str(path) in refusal(path)


@pytest.mark.parametrize("form", [*READABLE, "yolo"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_file_with_wrong_bytes_gives_masks_or_a_sentence(tmp_path, masks, form, data):
    path = tmp_path / ("a" + FORMATS[form].suffix)
    save_masks(masks, path, form, overwrite=True)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        found = load_masks(path, masks.image_size)
    except AnymaskError as error:
        assert "\n" not in str(error)
    else:
        assert len(found.ids) == len(found)


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.json", b"", "is empty"),
        ("a.json", b'{"a": 1}', "does not contain masks"),
        ("a.json", b"[" * 1_000_000, "nested too deeply"),
        ("a.json", b'{"images": [], "annotations": 5}', "no image|COCO format"),
        ("a.json", b'{"type": "FeatureCollection"}', "how large the image is"),
        ("a.xml", b"<annotation/>", "does not exist"),
        ("a.xml", b"<html></html>", "not a Pascal VOC annotation"),
        ("a.xml", b"<annotation>" + b"<a>" * 1000, "nested too deeply"),
        ("a.txt", b"hello world", "no masks in a known format"),
        ("a.csv", b"id,area\n1,2\n", "measurements but no masks"),
        ("a.parquet", b"PAR1....PAR1", "measurements but no masks"),
        ("a.jpg", b"\xff\xd8\xff\xe0" + b"0" * 50, "JPEG, whose compression changes ids"),
        ("a.zip", b"PK\x05\x06" + b"\0" * 18, "how large the image is"),
        ("a.npy", b"\x93NUMPY\x01\x00", "cannot be read as masks"),
        ("a.bin", bytes(range(256)), "no masks in a known format"),
    ],
)
def test_files_without_masks_get_their_own_message(tmp_path, name, content, what):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AnymaskError, match=what):
        load_masks(tmp_path / name)


def test_missing_files_and_folders_get_their_own_message(tmp_path):
    assert "There is no file" in refusal(tmp_path / "none.json")
    assert "is a folder" in refusal(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE a [<!ENTITY b "x"><!ENTITY c "&b;&b;&b;&b;">]><annotation>&c;</annotation>',
        '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><annotation>&b;</annotation>',
        '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><annotation/>',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_xml_that_declares_entities_is_refused_unread(tmp_path, text, encoding):
    content = f'<?xml version="1.0" encoding="{encoding}"?>{text}'.encode(encoding)
    (tmp_path / "a.xml").write_bytes(content)
    if encoding == "utf-8":
        assert "document type declaration" in refusal(tmp_path / "a.xml")
    else:
        refusal(tmp_path / "a.xml")


class Bomb:
    """What would make a folder if it were unpickled."""

    def __init__(self, path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_nothing_in_a_file_is_unpickled(tmp_path):
    made = tmp_path / "made"
    bomb = np.array([[Bomb(made)]], object)
    np.save(tmp_path / "a.npy", bomb)
    np.savez(tmp_path / "a.npz", labels=bomb)
    np.savez(tmp_path / "b.npz", counts=bomb, lengths=bomb, image_size=bomb)
    store = tmp_path / "a.zarr"
    store.mkdir()
    metadata = {
        "zarr_format": 2,
        "shape": [1, 1],
        "chunks": [1, 1],
        "dtype": "<u2",
        "fill_value": 0,
        "order": "C",
        "compressor": None,
        "filters": [{"id": "pickle"}],
    }
    (store / ".zarray").write_text(json.dumps(metadata))
    (store / "0.0").write_bytes(pickle.dumps(Bomb(made)))
    for name in ("a.npy", "a.npz", "b.npz", "a.zarr"):
        refusal(tmp_path / name)
    assert not made.exists()


def zeros_png(path, width: int, height: int) -> None:
    """A PNG that promises so many pixels and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def npy_header(shape: tuple[int, ...]) -> bytes:
    text = f"{{'descr': '<u4', 'fortran_order': False, 'shape': {shape}}}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def test_absurd_sizes_are_refused_before_memory_is_taken(tmp_path):
    huge = 3_000_000
    zeros_png(tmp_path / "a.png", huge, huge)
    (tmp_path / "a.tif").write_bytes(promising_tiff(huge))
    (tmp_path / "a.npy").write_bytes(npy_header((huge, huge)))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("labels.npy", npy_header((huge, huge)))
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr(
            "image_size.npy", npy_header((2,))[:-1] + b"\n" + struct.pack("<2I", *[2**31] * 2)
        )
        archive.writestr("lengths.npy", npy_header((0,)))
        archive.writestr("counts.npy", npy_header((0,)))
    coco = {"images": [{"id": 1, "height": huge, "width": huge}], "annotations": []}
    (tmp_path / "a.json").write_text(json.dumps(coco))
    shape = {"label": "a", "points": [[0, 0], [1e8, 0], [0, 1e8]], "shape_type": "polygon"}
    labelme = {"imageHeight": huge, "imageWidth": huge, "shapes": [shape]}
    (tmp_path / "b.json").write_text(json.dumps(labelme))
    tracemalloc.start()
    for path in sorted(tmp_path.iterdir()):
        refusal(path)
    refusal_of_size = pytest.raises(AnymaskError, match="An image cannot have")
    (tmp_path / "a.txt").write_text("0 0 0 1 0 1 1\n")
    for size in ((huge, huge), (0, 5), (-1, 5), ("a", 2)):
        with refusal_of_size:
            load_masks(tmp_path / "a.txt", size)
    assert tracemalloc.get_traced_memory()[1] < 200e6
    tracemalloc.stop()


def promising_tiff(side: int) -> bytes:
    """A TIFF of one strip that promises side × side pixels."""
    tags = [(256, 4, side), (257, 4, side), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8),
            (277, 3, 1), (278, 4, side), (279, 4, 8)]  # fmt: skip
    rows = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return struct.pack("<2sHI", b"II", 42, 8) + struct.pack("<H", len(tags)) + rows + b"\0" * 4


def test_a_zip_that_unpacks_to_more_than_the_memory_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(2000):
            archive.writestr(f"{number}.npy", npy_header((1,)))
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\x01\x02")
    while entry >= 0:  # each now promises 4 GB
        data[entry + 24 : entry + 28] = struct.pack("<I", 2**32 - 2)
        entry = data.find(b"PK\x01\x02", entry + 4)
    path.write_bytes(data)
    assert "would take 8,000.0 GB" in refusal(path)


def test_coloured_images_and_stacks_are_not_label_images(tmp_path):
    Pillow.new("RGB", (5, 4)).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 5, 3), np.uint8), photometric="rgb")
    tifffile.imwrite(tmp_path / "b.tif", np.zeros((7, 4, 5), np.uint8), photometric="minisblack")
    tifffile.imwrite(tmp_path / "c.tif", np.full((4, 5), 0.5, np.float32))
    tifffile.imwrite(tmp_path / "d.tif", np.full((4, 5), -1, np.int16))
    assert "not colours" in refusal(tmp_path / "a.png")
    assert "not colours" in refusal(tmp_path / "a.tif")
    assert "7 pages" in refusal(tmp_path / "b.tif")
    assert "fractions" in refusal(tmp_path / "c.tif")
    assert "has the id -1" in refusal(tmp_path / "d.tif")


@pytest.mark.parametrize("form", list(FORMATS))
def test_names_with_spaces_and_other_letters_work(tmp_path, masks, form):
    folder = tmp_path / "Blätter und 葉" / "50 % done"
    path = folder / f"Probe № 3 (ü){FORMATS[form].suffix}"
    files = save_masks(masks, path, form)
    assert path in files
    if not FORMATS[form].is_table:
        again = load_masks(path, masks.image_size)
        np.testing.assert_array_equal(again.to_labels() > 0, masks.to_labels() > 0)


@pytest.mark.parametrize("form", list(FORMATS))
def test_a_file_that_exists_is_replaced_only_if_asked(tmp_path, masks, form):
    path = tmp_path / ("a" + FORMATS[form].suffix)
    save_masks(masks, path, form)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    fewer = masks.select([0])
    with pytest.raises(OutputError, match="exists already"):
        save_masks(fewer, path, form)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before
    save_masks(fewer, path, form, overwrite=True)
    if not FORMATS[form].is_table:
        assert len(load_masks(path, masks.image_size)) == 1
    assert not [p for p in tmp_path.rglob("*") if p.name.startswith(".anymask")]


def test_a_folder_that_is_not_a_label_image_is_never_replaced(tmp_path, masks):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"dear")
    with pytest.raises(OutputError, match="is not replaced"):
        save_masks(masks, tmp_path / "photos", "zarr", overwrite=True)
    with pytest.raises(OutputError, match="a folder of this name"):
        save_masks(masks, tmp_path / "photos", "coco", overwrite=True)
    assert (tmp_path / "photos" / "a.jpg").read_bytes() == b"dear"


@contextmanager
def room_for(size: int):
    """Let no file of this process grow beyond `size`: writes fail half-way, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("form", list(FORMATS))
def test_a_full_disk_leaves_nothing_half_written(tmp_path, masks, form):
    path = tmp_path / "out" / ("a" + FORMATS[form].suffix)
    with room_for(16), pytest.raises(OutputError, match="Cannot write"):
        save_masks(masks, path, form)
    assert [p for p in tmp_path.rglob("*") if p != tmp_path / "out"] == []
    save_masks(masks, path, form)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with room_for(16), pytest.raises(OutputError, match="Cannot write"):
        save_masks(masks.select([0]), path, form, overwrite=True)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("form", list(FORMATS))
def test_a_folder_that_cannot_be_written_to_is_an_error(tmp_path, masks, form):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"a part of this path is a file|name of the folder"):
        save_masks(masks, tmp_path / "file" / ("a" + FORMATS[form].suffix), form)


def test_a_read_only_folder_is_an_error(tmp_path, masks, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "replace", refuse)
    for form in FORMATS:
        path = tmp_path / ("a" + FORMATS[form].suffix)
        with pytest.raises(OutputError, match="the file system is read-only"):
            save_masks(masks, path, form)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("a.json", "cocoo"), "did you mean coco"),
        (("a.doc",), "does not show the format"),
        (("a.csv", "csv"), "exists"),
    ],
)
def test_formats_that_are_not_known_are_refused(tmp_path, masks, arguments, what):
    (tmp_path / "a.csv").write_text("mine")
    with pytest.raises(OutputError, match=what):
        save_masks(masks, tmp_path / arguments[0], *arguments[1:])
    assert (tmp_path / "a.csv").read_text() == "mine"


def test_a_label_image_list_that_leads_outside_is_not_followed(tmp_path, masks):
    save_masks(masks, tmp_path / "secret.zarr")
    store = tmp_path / "a.zarr"
    (store / "labels").mkdir(parents=True)
    (store / ".zgroup").write_text('{"zarr_format": 2}')
    (store / "labels" / ".zattrs").write_text('{"labels": ["../../secret.zarr"]}')
    assert "outside itself" in refusal(store)


def test_a_tiff_that_promises_more_strips_than_it_has_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.ones((8, 5), np.uint8), rowsperstrip=8, photometric="minisblack")
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        place = tiff.pages[0].tags["ImageLength"].valueoffset
    data[place : place + 2] = struct.pack("<H", 40_000)
    path.write_bytes(data)
    assert "1 of 5000 parts of its pixels" in refusal(path)


def test_a_label_png_beyond_pillows_limit_is_read_if_it_fits_into_memory(tmp_path, monkeypatch):
    labels = np.zeros((100, 200), np.uint8)
    labels[5:9, 100:] = 9
    save_masks(labels, tmp_path / "a.png")
    monkeypatch.setattr(Pillow, "MAX_IMAGE_PIXELS", 1000)
    assert load_masks(tmp_path / "a.png").areas.tolist() == [400]
