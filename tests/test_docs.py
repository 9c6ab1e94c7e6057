"""What the pages on pictures, spectra, masks and results show works as it stands there."""

from __future__ import annotations

import doctest
import re
import shlex
from pathlib import Path

import h5py
import numpy as np
import pytest
import skimage.data
import skimage.io
import tifffile
import typer
import zarr
from spectral.io import envi

import anymask
from anymask.cli.app import app
from anymask.io.mask_formats.csv_table import _COLUMNS
from anymask.io.registry import written_formats
from tests.io.dicom_files import write as write_dicom

DOCS = Path(__file__).parents[1] / "docs"
EXAMPLES = DOCS.parent / "examples"
PAGES = (
    "reading",
    "spectral",
    "masks",
    "export",
    "everything",
    "prompts",
    "cluster",
    "onnx",
    "tracking",
    "alike",
)


def text_of(page: str) -> str:
    return (DOCS / f"{page}.md").read_text(encoding="utf-8")


def run_blocks(page: str, **names: object) -> dict:
    """Run the page's Python from top to bottom, as a reader would; examples with >>> by doctest."""
    blocks = re.findall(r"```python\n(.*?)```", text_of(page), re.S)
    assert blocks
    for block in blocks:
        if not block.startswith(">>>"):
            exec(block, names)
    return names


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """An empty folder to work in, with a home of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANYMASK_HOME", str(tmp_path / "home"))
    return tmp_path


def write_cube(header: Path, suffix: str) -> None:
    header.parent.mkdir(exist_ok=True)
    bands = 60
    cube = np.random.default_rng(0).integers(0, 9000, (520, 301, bands)).astype(np.uint16)
    metadata = {"wavelength": np.linspace(400, 1000, bands).tolist(), "wavelength units": "nm"}
    envi.save_image(str(header), cube, interleave="bip", ext=suffix, metadata=metadata)


def test_the_page_on_reading(here) -> None:
    write_cube(here / "field" / "plot 7.hdr", "raw")
    write_cube(here / "headers" / "cube.hdr", "raw")
    (here / "headers" / "cube.raw").rename(here / "cube.raw")
    planes = np.zeros((2, 5, 2, 520, 530), np.uint16)
    tifffile.imwrite(
        "cells.ome.tif",
        planes,
        metadata={"axes": "TZCYX", "Channel": {"Name": ["DAPI", "GFP"]}},
    )
    zarr.open_group("plate.zarr", mode="w", zarr_format=2)
    for place in ("cells.ome.zarr", "plate.zarr/A/1/0"):
        write_pyramid(here / place)
    with tifffile.TiffWriter("slides.tif") as file:
        file.write(np.zeros((40, 50), np.uint8))
        file.write(np.zeros((60, 70, 3), np.uint8), photometric="rgb")
    tifffile.imwrite("stack.tif", np.arange(20 * 64, dtype=np.uint16).reshape(20, 8, 8))
    with h5py.File("flight.h5", "w") as hdf5:
        hdf5["scan/reflectance"] = np.zeros((40, 50, 9), np.float32)
        hdf5["scan/dark"] = np.zeros((40, 50, 9), np.float32)
    np.save("movie.npy", np.zeros((4, 20, 30), np.uint8))
    tifffile.imwrite("bands.tif", np.zeros((6, 20, 30), np.uint16), photometric="minisblack")
    for place, series in (("ct", "1"), ("cd", "1"), ("cd", "2")):
        Path(place).mkdir(exist_ok=True)
        for position in (0.0, 2.5):
            write_dicom(
                Path(place, f"{series}.{position}"),
                np.zeros((8, 9), np.uint16),
                SeriesInstanceUID=series,
                PixelSpacing=[0.7, 0.7],
                ImagePositionPatient=[0, 0, position],
                ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
            )
    names = run_blocks("reading")
    assert names["scan"].z_step == 2.5
    assert names["rgb"].shape == (520, 301, 3)


def write_pyramid(folder: Path) -> None:
    group = zarr.open_group(str(folder), mode="w", zarr_format=2)
    levels = []
    for level in range(3):
        side = 64 >> level
        array = group.create_array(str(level), shape=(side, side), dtype="u2")
        array[...] = level
        step = {"type": "scale", "scale": [0.5 * 2**level] * 2}
        levels.append({"path": str(level), "coordinateTransformations": [step]})
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": levels}]


def test_the_page_on_spectra(here) -> None:
    names = run_blocks("spectral")
    assert names["cir"].rgb.shape == names["eye"].rgb.shape == (200, 280, 3)
    assert names["spectra"].mean.shape[0] == len(np.unique(names["labels"])) - 1
    assert (here / "leaves.csv").is_file()
    assert (here / "leaves.png").is_file()


def test_the_page_on_masks(here, small_reference_sam, scene) -> None:
    anymask.save(small_reference_sam, "leaf.safetensors")
    names = run_blocks("masks", image=scene)
    scores = names["scores"].full_size()
    np.testing.assert_array_equal(names["mask"], scores > 0)
    np.testing.assert_array_equal(names["strict"], scores > np.log(9))
    examples = doctest.DocTestParser().get_doctest(text_of("masks"), {}, "masks.md", None, 0)
    assert examples.examples
    assert doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(examples).failed == 0


def test_the_page_on_results(here) -> None:
    labels = np.zeros((40, 50), np.uint16)
    labels[5:20, 5:20], labels[25:35, 25:45] = 700, 3
    picture = anymask.Image(labels * 2, "YX", pixel_size=(0.5, 0.5), unit="µm", name="cells")
    for number in range(2):
        for folder, values in (("photos", labels % 256), ("masks", labels)):
            Path(folder).mkdir(exist_ok=True)
            tifffile.imwrite(f"{folder}/{number}.tif", values)
    names = run_blocks("export", labels=labels, picture=picture, image=labels)
    assert names["table"]["id"].tolist() == [3, 700]
    assert (len(names["report"].done), names["report"].rows) == (2, 4)
    np.testing.assert_array_equal(tifffile.imread("cells.tif"), labels)


def test_the_page_on_everything(here) -> None:
    (here / "photos").mkdir()
    skimage.io.imsave(here / "photos" / "coins.png", skimage.data.coins()[:150, :200])
    names = run_blocks("everything")
    assert names["labels"].shape == (150, 200)
    assert [each.status for each in names["report"].outcomes] == ["done"]


def test_the_page_on_prompts(here) -> None:
    (here / "photos").mkdir()
    skimage.io.imsave(here / "photos" / "coins.png", skimage.data.coins()[:150, :200])
    (here / "clicks.csv").write_text("image,id,class_name,x,y\ncoins.png,4,coin,98,65\n")
    names = run_blocks("prompts")
    assert names["prompts"].ids.tolist() == [4]
    assert names["masks"].class_names == ("coin", "coin")
    assert [each.status for each in names["report"].outcomes] == ["done"]


def test_the_page_on_finding_all_alike() -> None:
    names = run_blocks("alike")
    assert len(names["coins"]) >= 3
    assert len(names["found"].candidates) >= 3


def test_the_page_on_tracking(here) -> None:
    names = run_blocks("tracking")
    assert names["found"].frame == 5
    assert names["ids"] == (1, 2)
    assert names["labels"].shape == (60, 80)


def test_the_table_of_columns_has_those_that_are_read() -> None:
    table = text_of("prompts").split("### Columns of a CSV")[1].split("\n\n")[1]
    told = set(re.findall(r"`(\w+)`", table))
    assert told == {name for own, others in _COLUMNS.items() for name in (own, *others)}


def test_the_table_of_formats_says_what_the_registry_says() -> None:
    table = text_of("export").split("## Formats")[1].split("\n\n")[1]
    told = {}
    for row in table.splitlines()[2:]:
        names, _, *kept = [cell.strip() for cell in row.strip("|").split("|")][:6]
        for name in re.findall(r"`(.+?)`", names):
            told[name] = [cell == "yes" for cell in kept]
    for name, form in written_formats().items():
        if not form.is_table:
            kept = [form.keeps_overlaps, form.keeps_ids, form.keeps_empty, form.keeps_scores]
            assert told.pop(name) == kept, name
    assert set(told) == {"csv", "parquet"}


def test_the_page_on_extending_shows_the_example_package() -> None:
    package = EXAMPLES / "more_parts"
    for file in (package / "more_parts").glob("[!_]*.py"):
        text = file.read_text(encoding="utf-8")
        assert text in text_of("extending")
        assert len(text.splitlines()) < 40
    points = (package / "pyproject.toml").read_text(encoding="utf-8")
    assert points.split("\n\n", 2)[2].strip() in text_of("extending")


def shell_lines() -> list[list[str]]:
    found = []
    for page in PAGES:
        for block in re.findall(r"```sh\n(.*?)```", text_of(page), re.S):
            found += [shlex.split(line, comments=True) for line in block.split("\n")]
    return [words for words in found if words]


@pytest.mark.parametrize("words", shell_lines(), ids=" ".join)
def test_a_shell_line_is_understood(words) -> None:
    assert words[0] == "anymask"
    command, words = typer.main.get_command(app), words[1:]
    while hasattr(command, "commands"):  # groups of commands
        (name, *words), command = words, command.commands[words[0]]
    assert command.make_context(name, words).params
