"""`--rgb`, `--channels` and similar options: from the command line to the model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
import typer
from PIL import Image as Picture
from typer.testing import CliRunner, Result

from anymask.cli.everything import everything
from anymask.cli.segment import segment
from anymask.cli.view import CommandWithRgb, joined_rgb, parse_view
from anymask.errors import AnymaskError, ExpressionError, ImageError
from anymask.images.normalize import to_rgb
from anymask.images.pseudo_rgb import pseudo_rgb
from anymask.io.fingerprint import fingerprint
from anymask.io.read_images import read
from anymask.io.results import SUFFIXES
from anymask.io.view import with_wavelengths

QUICK = ("--points-per-side", "3", "--pred-iou-thresh", "0.1", "--stability-score-thresh", "0.1")
NOTHING = {
    "rgb": None,
    "channels": None,
    "low": None,
    "high": None,
    "window": None,
    "gamma": 1.0,
    "z": None,
    "t": None,
    "header": None,
    "wavelengths": None,
}


@pytest.fixture
def cli() -> Callable[..., Result]:
    """The commands with `--rgb`, as the command line has them."""
    app = typer.Typer(pretty_exceptions_enable=False)
    for command in (everything, segment):
        app.command(cls=CommandWithRgb)(command)

    def run(*arguments: object) -> Result:
        result = CliRunner().invoke(app, [str(a) for a in arguments], prog_name="anymask")
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return run


def names_in(folder: Path) -> set[str]:
    """Names of the results; checks that each has all four files."""
    files = {p.name for p in folder.iterdir()} - {"job.jsonl"}
    names = {name.removesuffix(".masks.json") for name in files if name.endswith(".masks.json")}
    assert files == {name + suffix for name in names for suffix in SUFFIXES}
    return names


def seen(folder: Path, name: str) -> np.ndarray:
    """The image where no mask lies over it, and 0 elsewhere."""
    rgb = np.asarray(Picture.open(folder / f"{name}.overlay.png").convert("RGB"))
    labels = tifffile.imread(folder / f"{name}.labels.tif")
    scale = len(rgb) // len(labels)  # overlays of small images are enlarged
    rgb = rgb[::scale, ::scale].copy()
    rgb[labels > 0] = 0
    return rgb


@pytest.mark.parametrize(
    ("typed", "joined"),
    [
        ("c --rgb nm(860) nm(680) nm(550) -o out", "c --rgb nm(860);nm(680);nm(550) -o out"),
        ("--rgb ndvi savi evi c", "--rgb ndvi;savi;evi c"),
        ("--rgb ndvi", "--rgb ndvi"),
        ("--rgb ndvi -o out", "--rgb ndvi -o out"),
        ("--rgb ndvi -p 3,4", "--rgb ndvi -p 3,4"),
        ("--rgb ndvi cube.hdr other.hdr", "--rgb ndvi cube.hdr other.hdr"),
        ("--rgb ndvi scans/**/*.tif", "--rgb ndvi scans/**/*.tif"),
        ("--rgb -ndvi -nm(680) 1 c.hdr", "--rgb -ndvi;-nm(680);1 c.hdr"),
        ("--rgb cir=nm(860) nm(680) nm(550)", "--rgb cir=nm(860);nm(680);nm(550)"),
        ("--rgb a=1;2;3 ch[4] c.hdr", "--rgb a=1;2;3 ch[4] c.hdr"),
        ("--rgb=1;2;3 c.hdr", "--rgb=1;2;3 c.hdr"),
        ("--rgb pca --rgb ndvi --rgb 1 2 3", "--rgb pca --rgb ndvi --rgb 1;2;3"),
        ("--rgb nm(8 nm(6 nm(5", "--rgb nm(8;nm(6;nm(5"),
        ("-- --rgb 1 2 3", "-- --rgb 1 2 3"),
        ("c.hdr --rgb", "c.hdr --rgb"),
    ],
)
def test_rgb_takes_up_to_three_words_if_they_are_expressions(typed: str, joined: str) -> None:
    assert joined_rgb(typed.split()) == joined.split()


def test_a_file_named_like_an_expression_is_a_file(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    assert joined_rgb(["--rgb", "ndvi", "photos"]) == ["--rgb", "ndvi", "photos"]


def test_two_expressions_are_refused_and_both_are_named(cli) -> None:
    result = cli("everything", "c.hdr", "-o", "out", "--rgb", "nm(860)", "nm(680)")
    assert result.exit_code == 2
    assert "nm(860) and nm(680)" in " ".join(result.output.replace("│", "").split())


def test_the_examples_of_the_documentation_work_end_to_end(cli, leaf_cube, model, tmp_path):
    out = tmp_path / "out"
    command = ("everything", leaf_cube, "-o", out, "-m", model, *QUICK)
    result = cli(*command, "--rgb", "nm(860)", "nm(680)", "nm(550)")
    assert result.exit_code == 0, result.output
    assert cli(*command, "--rgb", "ndvi").exit_code == 0
    assert names_in(out) == {"leaf_cube.nm860_nm680_nm550", "leaf_cube.ndvi"}
    image = read(leaf_cube)
    for name, source in (("nm860_nm680_nm550", ("nm(860)", "nm(680)", "nm(550)")), ("ndvi", None)):
        made = pseudo_rgb(image, *(source or ("ndvi",))).rgb
        shown = seen(out, f"leaf_cube.{name}")
        bare = shown.any(axis=2)
        assert bare.mean() > 0.05
        # Contours are also drawn just outside the masks.
        assert (shown[bare] == made[bare]).all(axis=1).mean() > 0.9


def test_results_keep_their_names_if_one_fails(cli, leaf_cube, model, tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(3):
        bands = 5 if number == 1 else 9
        values = rng.integers(0, 4000, (40, 50, bands)).astype(np.uint16)
        np.save(folder / f"{number}.npy", values)
    (folder / "3.npy").write_bytes(b"\x93NUMPY and nothing more")
    rgb = ("--rgb", "a=ch[0]", "--rgb", "b=ch[8];ch[7];ch[6]", "--rgb", "c=ch[2]/(ch[3]-ch[3])")
    result = cli("everything", folder, "-o", out, "-m", model, *QUICK, *rgb)
    assert result.exit_code == 1
    assert names_in(out) == {"0.a", "0.b", "1.a", "2.a", "2.b"}
    assert "5 done, 7 failed" in result.stdout
    assert "1.npy (b): In 'ch[8]', at character 1: there are 5 bands" in result.stderr
    assert "Traceback" not in result.output
    for name in ("0.a", "1.a", "2.a"):
        coco = json.loads((out / f"{name}.masks.json").read_text())
        assert coco["images"][0]["file_name"] == f"{name[0]}.npy"
        assert coco["info"]["view"]["rgb"] == {"name": "a", "source": ["ch[0]"]}
        first = np.load(folder / f"{name[0]}.npy")
        made, shown = pseudo_rgb(first, "ch[0]").rgb, seen(out, name)
        bare = shown.any(axis=2)
        assert (shown[bare] == made[bare]).all(axis=1).mean() > 0.5


def test_skip_existing_compares_the_recipe_and_the_contrast(cli, leaf_cube, model, tmp_path):
    command = ("everything", leaf_cube, "-o", tmp_path, "-m", model, *QUICK, "--skip-existing")
    command += ("--overwrite",)
    assert "2 done" in cli(*command, "--rgb", "ndvi", "--rgb", "a=ch[3]").stdout
    assert "2 kept" in cli(*command, "--rgb", "ndvi", "--rgb", "a=ch[3]").stdout
    assert "1 done, 1 kept" in cli(*command, "--rgb", "ndvi", "--rgb", "a=ch[4]").stdout
    assert "1 done" in cli(*command, "--rgb", "ndvi", "--low", "5%").stdout
    assert "1 kept" in cli(*command, "--rgb", "ndvi", "--low", "5%").stdout


def test_pixels_without_a_value_are_reported(cli, model, tmp_path):
    values = np.ones((30, 40, 2), np.float32)
    values[:3, :3] = 0
    values[10:20, 10:20, 0] = 3
    np.save(tmp_path / "cube.npy", values)
    result = cli(
        "everything", tmp_path / "cube.npy", "-o", tmp_path, "-m", model, *QUICK, "--rgb",
        "r=ch[0]/ch[1]",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "cube.npy (r): 9 of 1,200 pixels have no finite value" in result.stderr


def test_a_cube_without_rgb_is_shown_in_true_colour(cli, leaf_cube, model, tmp_path):
    result = cli("everything", leaf_cube, "-o", tmp_path, "-m", model, *QUICK)
    assert result.exit_code == 0
    shown, made = seen(tmp_path, "leaf_cube"), pseudo_rgb(read(leaf_cube), "truecolor").rgb
    bare = shown.any(axis=2)
    assert (shown[bare] == made[bare]).all(axis=1).mean() > 0.9


def test_the_header_can_be_elsewhere(cli, leaf_cube, model, tmp_path):
    data = tmp_path / "data only.raw"
    shutil.copy(leaf_cube.with_suffix(".raw"), data)
    command = ("segment", data, "-p", "62,62", "-m", model, "-o", tmp_path / "out")
    assert "no header" in cli(*command).stderr
    result = cli(*command, "--header", leaf_cube, "--rgb", "ndvi")
    assert result.exit_code == 0, result.output
    assert names_in(tmp_path / "out") == {"data only.ndvi"}
    two = cli("everything", data, leaf_cube, "--header", leaf_cube, "-o", tmp_path / "out")
    assert two.exit_code == 2
    assert "is for one data file" in two.stderr


def test_segment_segments_each_pseudo_rgb(cli, leaf_cube, model, tmp_path):
    command = ("segment", leaf_cube, "-p", "62,62", "-m", model, "-o", tmp_path, "--json")
    result = cli(*command, "--rgb", "ndvi", "--rgb", "nm(860)", "nm(680)", "nm(550)")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert [row["rgb"] for row in answer["masks"]] == ["ndvi", "nm860_nm680_nm550"]
    assert len(answer["files"]) == 8
    assert names_in(tmp_path) == {"leaf_cube.ndvi", "leaf_cube.nm860_nm680_nm550"}
    assert tifffile.imread(tmp_path / "leaf_cube.ndvi.labels.tif").shape == (200, 280)


def test_segment_continues_if_one_pseudo_rgb_fails_and_stops_if_all_do(
    cli, leaf_cube, model, tmp_path
):
    command = ("segment", leaf_cube, "-p", "62,62", "-m", model, "--json")
    result = cli(*command, "--rgb", "nm(3000)", "--rgb", "ndvi")
    assert result.exit_code == 1
    assert [row["rgb"] for row in json.loads(result.stdout)["masks"]] == ["ndvi"]
    assert "(nm3000): In 'nm(3000)', at character 1" in result.stderr
    for recipes in (["nm(3000)"], ["nm(3000)", "ch[500]"]):
        result = cli(*command, *(word for r in recipes for word in ("--rgb", r)))
        assert result.exit_code == 2
        assert result.stdout == ""
        assert len(result.stderr.strip().splitlines()) == len(recipes)


@pytest.mark.parametrize(
    "text", ["__import__('os')", "(" * 1_000_000, "9**9**9**9", "nm(860", "\u0661", "exec(1)"]
)
def test_attacks_and_typos_give_a_sentence_before_a_model_is_loaded(cli, leaf_cube, tmp_path, text):
    result = cli("everything", leaf_cube, "-o", tmp_path / "o", "-m", "no.pth", "--rgb", text)
    assert result.exit_code == 2
    assert "at character" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert len(result.stderr) < 500
    assert not (tmp_path / "o").exists()


def test_channels_limits_and_planes_reach_the_model(cli, model, tmp_path):
    stack = np.random.default_rng(0).integers(0, 4000, (3, 2, 40, 50), np.uint16)
    tifffile.imwrite(tmp_path / "cells.tif", stack, imagej=True, metadata={"axes": "ZCYX"})
    options = ("--channels", "1=cyan,0=#ff8800", "--z", "max", "--low", "5%", "--gamma", "0.7")
    out = tmp_path / "out"
    result = cli("everything", tmp_path / "cells.tif", "-o", out, "-m", model, *QUICK, *options)
    assert result.exit_code == 0, result.output
    made = to_rgb(
        read(tmp_path / "cells.tif"),
        channels=[1, 0],
        colors=["cyan", "#ff8800"],
        z="max",
        low="5%",
        gamma=0.7,
    )
    shown = seen(out, "cells")
    bare = shown.any(axis=2)
    assert (shown[bare] == made[bare]).all(axis=1).mean() > 0.5
    info = json.loads((out / "cells.masks.json").read_text())["info"]
    assert info["view"] == {
        "channels": [1, 0],
        "colors": ["cyan", "#ff8800"],
        "low": "5%",
        "gamma": 0.7,
        "z": "max",
    }


def test_a_stack_needs_a_plane(cli, model, tmp_path):
    np.save(tmp_path / "stack.npy", np.zeros((4, 30, 40), np.uint8))
    tifffile.imwrite(
        tmp_path / "stack.tif", np.zeros((4, 30, 40), np.uint8), imagej=True,
        metadata={"axes": "ZYX"},
    )  # fmt: skip
    result = cli("segment", tmp_path / "stack.tif", "-p", "3,3", "-m", model)
    assert result.exit_code == 2
    assert "z planes" in result.stderr


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"low": "abc"}, "neither a number"),
        ({"low": "5", "high": "3"}, "not below"),
        ({"window": "40"}, "LEVEL,WIDTH"),
        ({"window": "40,400", "low": "3"}, "--window sets"),
        ({"gamma": -1.0}, "gamma"),
        ({"channels": "1,,2"}, "empty part"),
        ({"channels": "1=red,2"}, "1 colours for 2 channels"),
        ({"channels": "1=rd"}, "did you mean red"),
        ({"channels": "1", "rgb": ["ndvi"]}, "cannot be combined"),
        ({"z": "top"}, "--z 'top' is none of"),
        ({"rgb": ["a;b"]}, "needs one expression"),
        ({"rgb": ["ndvi", "ndvi"]}, "Two pseudo-RGBs"),
        ({"rgb": ["ndvi +"]}, "at character 7"),
    ],
)
def test_bad_options_are_reported_at_once(options: dict, part: str) -> None:
    with pytest.raises(AnymaskError) as caught:
        parse_view(**{**NOTHING, **options})
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_options_are_parsed_as_typed() -> None:
    view = parse_view(
        **{**NOTHING, "channels": "DAPI, 2 ,0", "low": "2%,0,5", "high": "99%", "t": "-1"}
    )
    assert view.options == {"channels": ["DAPI", 2, 0], "low": ["2%", 0, 5], "high": "99%"}
    assert view.planes == {"t": -1}
    assert parse_view(**{**NOTHING, "window": "40,400"}).options == {"low": -160, "high": 240}
    with pytest.raises(ExpressionError):
        parse_view(**{**NOTHING, "rgb": ["nm(860);nm(680);("]})


def test_a_fingerprint_changes_with_the_data_of_a_cube(leaf_cube, tmp_path) -> None:
    for suffix in (".hdr", ".raw"):
        shutil.copy(leaf_cube.with_suffix(suffix), tmp_path / f"a{suffix}")
    first = fingerprint(tmp_path / "a.hdr")
    assert fingerprint(tmp_path / "a.hdr") == first
    with (tmp_path / "a.raw").open("ab") as file:
        file.write(b"\0\0")
    assert fingerprint(tmp_path / "a.hdr") != first
    (tmp_path / "folder.zarr").mkdir()
    (tmp_path / "folder.zarr" / "0").write_bytes(b"1")
    before = fingerprint(tmp_path / "folder.zarr")
    (tmp_path / "folder.zarr" / "1").write_bytes(b"1")
    assert fingerprint(tmp_path / "folder.zarr") != before


def test_an_image_of_a_file_with_several_is_chosen_by_page_series_or_dataset(cli, tmp_path):
    values = np.zeros((30, 40), np.uint8)
    tifffile.imwrite(tmp_path / "odd.tif", values)
    with tifffile.TiffWriter(tmp_path / "odd.tif") as file:
        file.write(values)
        file.write(np.zeros((20, 25, 3), np.uint8))
    with h5py.File(tmp_path / "two.h5", "w") as file:
        file["a"], file["b"] = values, np.zeros((20, 25), np.uint8)
    for path, option, value in (("odd.tif", "--series", "1"), ("two.h5", "--dataset", "b")):
        refused = cli("segment", tmp_path / path, "--point", "5,5")
        assert refused.exit_code == 2
        assert f"choose one with {option}: " in refused.stderr
        result = cli("segment", tmp_path / path, "--point", "5,5", option, value, "--json")
        assert result.exit_code == 0, result.stderr
        assert json.loads(result.stdout)["width"] == 25


@pytest.mark.parametrize(
    ("shape", "axes", "told"),
    [
        ((5, 30, 40), "ZYX", "choose one with --z 0 to --z 4 or --z middle"),
        ((12, 30, 40), "CYX", "with --channels, for example --channels 12,40,7 for red"),
    ],
)
def test_messages_name_options_as_they_are_typed(cli, tmp_path, shape, axes, told):
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, np.zeros(shape, np.uint16), metadata={"axes": axes}, ome=True)
    result = cli("segment", path, "--point", "5,5")
    assert result.exit_code == 2
    assert told in result.stderr


def test_wavelengths_are_given_where_a_file_has_none(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 5, 4), np.uint16), photometric="minisblack")
    view = parse_view(**NOTHING | {"wavelengths": "485,565, 665,865"})
    image = read(tmp_path / "a.tif", axes="YXC")
    given = with_wavelengths(image, view.wavelengths)
    assert given.wavelengths is not None
    assert given.wavelengths.tolist() == [485, 565, 665, 865]
    assert view.made_with(None) == {"wavelengths": [485, 565, 665, 865]}
    with pytest.warns(UserWarning, match="states its own wavelengths"):
        assert with_wavelengths(given, (1.0, 2.0)) is given
    with pytest.raises(ImageError, match="3 wavelengths for 4 channels"):
        with_wavelengths(image, (1.0, 2.0, 3.0))
    for text in ("red,green", "485,,565", "0,1"):
        with pytest.raises(AnymaskError, match=r"--wavelengths .* is not a list of nanometres"):
            parse_view(**NOTHING | {"wavelengths": text})
