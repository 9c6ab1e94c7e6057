"""OME-Zarr 0.4 and 0.5 and plain arrays, written by zarr: levels, scales, names, damage."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from anymask.errors import ImageError
from anymask.images import memory
from anymask.images.lazy import LazyArray
from anymask.io.read_images import read, read_rgb
from tests.io.refusals import sentence

AXES = {
    "t": {"name": "t", "type": "time", "unit": "second"},
    "c": {"name": "c", "type": "channel"},
    "z": {"name": "z", "type": "space", "unit": "micrometer"},
    "y": {"name": "y", "type": "space", "unit": "micrometer"},
    "x": {"name": "x", "type": "space", "unit": "micrometer"},
}


def write_image(
    place: Path | Any,
    array: np.ndarray,
    letters: str,
    version: str = "0.5",
    *,
    levels: int = 3,
    omero: dict[str, Any] | None = None,
    **changes: Any,
) -> None:
    """Write an image as the specification says, each level half the one before in y and x."""
    zarr_format: Any = 3 if version == "0.5" else 2
    group = place
    if isinstance(place, Path):
        group = zarr.open_group(str(place), mode="w", zarr_format=zarr_format)
    datasets = []
    steps = {"t": 1.0, "c": 1.0, "z": 2.0, "y": 0.25, "x": 0.5}
    for level in range(levels):
        picks = tuple(slice(None, None, 2**level if a in "yx" else 1) for a in letters)
        part = array[picks]
        stored = group.create_array(
            str(level),
            shape=part.shape,
            dtype=part.dtype,
            chunks=tuple(min(n, 16) for n in part.shape),
        )
        stored[...] = part
        scale = [steps[a] * (2**level if a in "yx" else 1) for a in letters]
        transforms = [{"type": "scale", "scale": scale}]
        datasets.append({"path": str(level), "coordinateTransformations": transforms})
    multiscales = [
        {"axes": [AXES[a] for a in letters], "datasets": datasets, "name": "x", **changes}
    ]
    if version == "0.5":
        ome: dict[str, Any] = {"version": version, "multiscales": multiscales}
        group.attrs["ome"] = {**ome, "omero": omero} if omero else ome
    else:
        multiscales[0]["version"] = version
        group.attrs["multiscales"] = multiscales
        if omero:
            group.attrs["omero"] = omero


def noise(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 60_000, shape).astype(np.uint16)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_both_versions_are_read_with_all_they_say(version: str, tmp_path: Path) -> None:
    array = noise((2, 3, 4, 40, 48))
    omero = {"channels": [{"label": n, "color": "00FF00"} for n in ("DAPI", "GFP", "RFP")]}
    path = tmp_path / "cells.ome.zarr"
    write_image(path, array, "tczyx", version, omero=omero)
    image = read(path)
    assert image.axes == "TCZYX"
    assert image.name == "cells"
    assert isinstance(image.array, LazyArray)
    assert image.channel_names == ("DAPI", "GFP", "RFP")
    assert (image.pixel_size, image.z_step, image.unit) == ((0.25, 0.5), 2.0, "µm")
    assert image.metadata["format"] == f"OME-Zarr {version}"
    np.testing.assert_array_equal(image.numpy(), array)
    part = image.region(5, 9, 20, 30).plane(t=1, z=2)
    np.testing.assert_array_equal(part.numpy(), array[1, :, 2, 5:25, 9:39])


def test_a_level_has_larger_pixels(tmp_path: Path) -> None:
    array = noise((40, 48))
    write_image(tmp_path / "a.zarr", array, "yx")
    image = read(tmp_path / "a.zarr", level=2)
    assert image.pixel_size == (1.0, 2.0)
    np.testing.assert_array_equal(image.numpy(), array[::4, ::4])
    assert read(tmp_path / "a.zarr", level=-1).shape == image.shape
    assert "no level=3; there is level=0 to level=2" in sentence(tmp_path / "a.zarr", level=3)


def test_a_scale_of_all_levels_is_applied_to_each(tmp_path: Path) -> None:
    common = [{"type": "scale", "scale": [10.0, 10.0]}]
    write_image(tmp_path / "a.zarr", noise((16, 16)), "yx", coordinateTransformations=common)
    assert read(tmp_path / "a.zarr").pixel_size == (2.5, 5.0)


def test_pixels_of_one_without_a_unit_have_no_known_size(tmp_path: Path) -> None:
    axes = [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
    path = tmp_path / "a.zarr"
    write_image(
        path,
        noise((16, 16)),
        "yx",
        levels=1,
        axes=axes,
        datasets=[
            {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1.0, 1.0]}]}
        ],
    )
    image = read(path)
    assert (image.pixel_size, image.unit) == (None, None)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_plain_array_is_read(zarr_format: Any, tmp_path: Path) -> None:
    array = noise((40, 48, 5))
    zarr.save_array(str(tmp_path / "a.zarr"), array, zarr_format=zarr_format)
    image = read(tmp_path / "a.zarr")
    assert image.axes == "YXC"
    np.testing.assert_array_equal(image.numpy(), array)
    assert read(tmp_path / "a.zarr", axes="ZYX").axes == "ZYX"
    assert "no level=1" in sentence(tmp_path / "a.zarr", level=1)


def test_names_of_dimensions_are_believed(tmp_path: Path) -> None:
    for zarr_format, names in ((3, {"dimension_names": ["x", "y", "time"]}), (2, {})):
        path = tmp_path / f"{zarr_format}.zarr"
        array = zarr.create_array(
            str(path),
            shape=(8, 9, 4),
            dtype="u1",
            zarr_format=zarr_format,
            **names,  # type: ignore[arg-type]
        )
        if zarr_format == 2:
            array.attrs["_ARRAY_DIMENSIONS"] = ["x", "y", "time"]
        assert read(path).axes == "XYT"


def test_of_several_arrays_one_is_chosen(tmp_path: Path) -> None:
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    group.create_array("left", shape=(8, 9), dtype="u1")
    deep = group.create_group("scans").create_array("right", shape=(7, 6), dtype="u1")
    deep[...] = 3
    assert "dataset=: left (8×9), scans/right (7×6)" in sentence(tmp_path / "a.zarr")
    image = read(tmp_path / "a.zarr", dataset="/scans/right")
    assert image.name == "a_scans_right"
    assert (image.numpy() == 3).all()
    assert "no image or array 'up'" in sentence(tmp_path / "a.zarr", dataset="up")
    assert read(tmp_path / "a.zarr", dataset="scans").shape == (7, 6)


def test_images_of_bioformats_are_chosen_by_series(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    group.attrs["bioformats2raw.layout"] = 3
    group.create_group("OME").attrs["series"] = ["0", "1"]
    for number in range(2):
        inner = group.create_group(str(number))
        write_image(inner, noise((16, 16)) + number, "yx", "0.4")
        labels = inner.create_group("labels")
        write_image(labels.create_group("cells"), noise((16, 16)), "yx", "0.4")
    assert "dataset=: 0 (16×16), 1 (16×16)" in sentence(path)
    for image in (read(path, series=1), read(path, dataset="1")):
        np.testing.assert_array_equal(image.numpy(), noise((16, 16)) + 1)
    np.testing.assert_array_equal(read(path, dataset="0/labels/cells").numpy(), noise((16, 16)))
    assert "no series=2" in sentence(path, series=2)


def test_labels_beside_an_image_do_not_make_it_ambiguous(tmp_path: Path) -> None:
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    write_image(group, noise((16, 16)), "yx")
    write_image(group.create_group("labels").create_group("cells"), noise((16, 16)), "yx")
    assert read(tmp_path / "a.zarr").shape == (16, 16)


def test_fields_of_a_plate_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "plate.zarr"
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    group.attrs["plate"] = {"wells": [{"path": f"A/{i}"} for i in range(1, 41)]}
    write_image(group.create_group("A/2/0"), noise((16, 16)), "yx", "0.4")
    message = sentence(path)
    assert "has 40 arrays; choose one with dataset=: A/1/0, A/2/0" in message
    assert "and 28 more" in message
    assert read(path, dataset="A/2/0").name == "plate_A_2_0"


def test_unknown_axes_of_length_one_are_dropped_and_others_must_be_named(
    tmp_path: Path,
) -> None:
    odd = [{"name": "q", "type": "other"}, AXES["y"], AXES["x"]]
    for length in (1, 2):
        path = tmp_path / f"{length}.zarr"
        write_image(path, noise((length, 16, 16)), "cyx", axes=odd, levels=1)
    image = read(tmp_path / "1.zarr")
    assert image.axes == "YX"
    assert image.pixel_size == (0.25, 0.5)
    assert "axes=" in sentence(tmp_path / "2.zarr")
    assert read(tmp_path / "2.zarr", axes="ZYX").axes == "ZYX"


def test_chunks_that_were_never_written_are_zero(tmp_path: Path) -> None:
    array = zarr.create_array(str(tmp_path / "a.zarr"), shape=(64, 64), chunks=(16, 16), dtype="u2")
    array[:16, :16] = 7
    values = read(tmp_path / "a.zarr").numpy()
    assert values.sum() == 7 * 16 * 16


def test_60000_pixels_square_are_read_by_region(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "vast.zarr"
    zarr.create_array(str(path), shape=(60_000, 60_000), chunks=(512, 512), dtype="u1")
    image = read(path)
    assert not image.region(59_000, 100, 20, 20).numpy().any()
    with pytest.raises(ImageError, match="60000×60000 pixels"):
        read_rgb(path)
    monkeypatch.setattr(memory, "available_memory", lambda: 4 << 30)
    with pytest.raises(ImageError, match=r"60000×60000 values, which take 3\.4 GB"):
        image.numpy()


def test_chunks_larger_than_the_memory_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zarr.create_array(str(tmp_path / "a.zarr"), shape=(9000, 9000), chunks=(9000, 9000), dtype="u8")
    monkeypatch.setattr(memory, "available_memory", lambda: 100 << 20)
    assert "A chunk of" in sentence(tmp_path / "a.zarr")


def test_lazy_images_can_be_sent_to_other_processes(tmp_path: Path) -> None:
    array = noise((40, 48))
    write_image(tmp_path / "a.zarr", array, "yx")
    image = pickle.loads(pickle.dumps(read(tmp_path / "a.zarr")))
    np.testing.assert_array_equal(image.numpy(), array)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_damaged_chunks_are_refused_in_one_sentence(version: str, tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    # Values that repeat: Blosc does not notice the end of a chunk that it could not make smaller.
    write_image(path, noise((40, 48)) % 4, "yx", version)
    chunk = path / "0" / ("c/0/0" if version == "0.5" else "0.0")
    for damage in (b"", b"\x00" * 9, chunk.read_bytes()[:-20], b"\xff" * 400):
        chunk.write_bytes(damage)
        sentence(path)
    assert read(path, level=1).numpy().any()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"zarr_format": 99}', '{"node_type": "array"}']
)
@pytest.mark.parametrize("where", ["", "0"])
def test_damaged_metadata_is_refused_in_one_sentence(
    where: str, content: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.zarr"
    write_image(path, noise((40, 48)), "yx")
    (path / where / "zarr.json").write_text(content)
    sentence(path)


@pytest.mark.parametrize(
    "ome",
    [
        {"multiscales": []},
        {"multiscales": [{}]},
        {"multiscales": [{"datasets": []}]},
        {"multiscales": [{"datasets": [{"path": "9"}]}]},
        {"multiscales": [{"datasets": [{"path": "0"}], "axes": [{"name": "x"}]}]},
        {"multiscales": [{"datasets": [{"path": ""}], "axes": [{"name": "y"}, {"name": "x"}]}]},
        {"multiscales": "all"},
        {"multiscales": [{"datasets": [{"path": "0", "coordinateTransformations": [1]}]}]},
    ],
)
def test_descriptions_that_do_not_fit_are_refused_in_one_sentence(
    ome: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "a.zarr"
    write_image(path, noise((40, 48)), "yx")
    document = json.loads((path / "zarr.json").read_text())
    document["attributes"]["ome"] = ome
    (path / "zarr.json").write_text(json.dumps(document))
    sentence(path)


def test_missing_parts_are_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    path.mkdir()
    sentence(path)
    write_image(path, noise((40, 48)), "yx")
    shutil.rmtree(path / "0")
    sentence(path)
    (tmp_path / "b.zarr").write_bytes(b"a file")
    assert "is a folder" in sentence(tmp_path / "b.zarr")
    group = zarr.open_group(str(tmp_path / "c.zarr"), mode="w")
    group.create_group("inner")
    assert "no array of numbers" in sentence(tmp_path / "c.zarr")


def test_paths_with_spaces_and_other_letters_are_read(tmp_path: Path) -> None:
    path = tmp_path / "größe µ 田.ome.zarr"
    write_image(path, noise((16, 16)), "yx")
    assert read(path).name == "größe µ 田"
