"""ENVI pairs written by spectral, and headers that do not fit their data."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spectral.io import envi

from anymask.errors import ImageError
from anymask.io.read_images import read, read_rgb
from tests.io.image_formats.envi_pairs import cube_of, edit, write_pair
from tests.io.refusals import sentence

DTYPES = ("u1", "i2", "i4", "f4", "f8", "c8", "c16", "u2", "u4", "i8", "u8")


@pytest.mark.filterwarnings("ignore:line buffering")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    interleave=st.sampled_from(["bsq", "bil", "bip", "BSQ", "Bil", "BIP"]),
    dtype=st.sampled_from(DTYPES),
    byteorder=st.sampled_from([0, 1]),
    offset=st.sampled_from([0, 1, 37, 4096]),
    shape=st.tuples(*[st.integers(1, 6)] * 3),
    suffix=st.sampled_from(["dat", "raw", "img", "IMG", ""]),
    by_data=st.booleans(),
)
def test_any_layout_gives_back_the_array_that_was_written(
    interleave: str,
    dtype: str,
    byteorder: int,
    offset: int,
    shape: tuple[int, int, int],
    suffix: str,
    by_data: bool,
    tmp_path: Path,
) -> None:
    cube = cube_of(dtype, shape)
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    header = tmp_path / "cube.hdr"
    envi.save_image(
        str(header),
        cube,
        dtype=cube.dtype,
        ext=suffix,
        interleave=interleave.lower(),
        byteorder=byteorder,
    )
    data = tmp_path / (f"cube.{suffix}" if suffix else "cube")
    data.write_bytes(bytes(offset) + data.read_bytes())
    edit(header, "header offset = 0", f"header offset = {offset}")
    edit(header, f"interleave = {interleave.lower()}", f"interleave = {interleave}")
    image = read(data if by_data else header)
    assert image.axes == "YXC"
    assert image.dtype == cube.dtype
    np.testing.assert_array_equal(image.numpy(), cube)
    for band in range(shape[2]):
        np.testing.assert_array_equal(image.channel(band), cube[:, :, band])


@pytest.mark.parametrize("interleave", ["bsq", "bil", "bip"])
def test_suffixes_that_name_the_interleave_are_read(interleave: str, tmp_path: Path) -> None:
    header = tmp_path / "cube.hdr"
    cube = cube_of("f4")
    envi.save_image(str(header), cube, dtype=cube.dtype, ext=interleave, interleave=interleave)
    for path in (header, header.with_suffix(f".{interleave}")):
        np.testing.assert_array_equal(read(path).numpy(), cube)


def test_the_data_are_mapped_and_not_read(tmp_path: Path) -> None:
    header, _ = write_pair(tmp_path)
    image = read(header)
    assert isinstance(image.array.base, np.memmap) or isinstance(image.array, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        image.array[0, 0, 0] = 1


@pytest.mark.parametrize("name", ["cube.dat.hdr", "cube.HDR", "cube.hdr"])
def test_headers_are_found_under_their_usual_names(name: str, tmp_path: Path) -> None:
    header, cube = write_pair(tmp_path)
    header.rename(tmp_path / name)
    np.testing.assert_array_equal(read(tmp_path / "cube.dat").numpy(), cube)
    np.testing.assert_array_equal(read(tmp_path / name).numpy(), cube)


def test_a_header_elsewhere_is_given_by_name(tmp_path: Path) -> None:
    header, cube = write_pair(tmp_path)
    (tmp_path / "headers").mkdir()
    moved = header.rename(tmp_path / "headers" / "other.hdr")
    assert "header=" in sentence(tmp_path / "cube.dat")
    np.testing.assert_array_equal(read(tmp_path / "cube.dat", header=moved).numpy(), cube)
    assert "no file" in sentence(tmp_path / "cube.dat", header=header)
    assert "no data file" in sentence(moved)
    assert "header= does not apply" in sentence(moved, header=moved)


@pytest.mark.parametrize("folder", ["with space", "größe-µ-田"])
def test_paths_with_spaces_and_other_letters_are_read(folder: str, tmp_path: Path) -> None:
    place = tmp_path / folder
    place.mkdir()
    header, cube = write_pair(place, name=f"leaf {folder}")
    image = read(header)
    assert image.name == f"leaf {folder}"
    np.testing.assert_array_equal(image.numpy(), cube)


@pytest.mark.parametrize(
    ("unit", "values", "nm"),
    [
        ("Nanometers", [450, 550, 650, 850.5], [450, 550, 650, 850.5]),
        ("nm", [450, 550, 650, 850.5], [450, 550, 650, 850.5]),
        ("Micrometers", [0.45, 0.55, 0.65, 0.85], [450, 550, 650, 850]),
        ("um", [0.45, 0.55, 0.65, 0.85], [450, 550, 650, 850]),
        ("µm", [0.45, 0.55, 0.65, 0.85], [450, 550, 650, 850]),
        ("Millimeters", [0.00045, 0.00055, 0.00065, 0.00085], [450, 550, 650, 850]),
        ("Angstroms", [4500, 5500, 6500, 8500], [450, 550, 650, 850]),
        ("Wavenumber", [20000, 10000, 5000, 4000], [500, 1000, 2000, 2500]),
        ("GHz", [299792.458, 600000, 500000, 400000], [1000, 499.654, 599.585, 749.481]),
        ("Unknown", [0.45, 0.55, 0.65, 0.85], [450, 550, 650, 850]),
        ("Unknown", [450, 550, 650, 850], [450, 550, 650, 850]),
        (None, [0.45, 0.55, 0.65, 12.0], [450, 550, 650, 12000]),
    ],
)
def test_wavelengths_come_in_nanometres(
    unit: str | None, values: list[float], nm: list[float], tmp_path: Path
) -> None:
    fields: dict[str, Any] = {"wavelength": values}
    if unit is not None:
        fields["wavelength units"] = unit
    header, _ = write_pair(tmp_path, **fields)
    waves = read(header).wavelengths
    assert waves is not None
    assert waves.dtype == np.float64
    np.testing.assert_allclose(waves, nm, atol=1e-3)


def test_nanometres_shorter_than_light_are_micrometres_and_it_is_said(tmp_path: Path) -> None:
    waves = {"wavelength": [0.45, 0.55, 0.65, 0.85], "wavelength units": "Nanometers"}
    header, _ = write_pair(tmp_path, **waves)
    with pytest.warns(UserWarning, match="cube.hdr: Wavelengths up to 0.85 cannot be in nm"):
        image = read(header)
    assert image.wavelengths is not None
    np.testing.assert_allclose(image.wavelengths, [450, 550, 650, 850])


def test_band_numbers_are_not_wavelengths(tmp_path: Path) -> None:
    header, _ = write_pair(tmp_path, **{"wavelength": [1, 2, 3, 4], "wavelength units": "Index"})
    assert read(header).wavelengths is None


def test_bad_bands_names_and_fields_are_kept(tmp_path: Path) -> None:
    header, _ = write_pair(
        tmp_path,
        **{
            "bbl": [1, 0, 1, 1],
            "band names": ["blue", "green", "red", "nir"],
            "data ignore value": -9999,
            "reflectance scale factor": 10000,
            "sensor type": "HySpex",
        },
    )
    image = read(header)
    np.testing.assert_array_equal(image.bad_bands, [False, True, False, False])
    assert image.channel_names == ("blue", "green", "red", "nir")
    assert image.metadata["nodata"] == -9999
    assert image.metadata["fields"]["reflectance scale factor"] == "10000"
    assert image.metadata["fields"]["sensor type"] == "HySpex"
    assert image.metadata["format"] == "ENVI"


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-8-sig", "utf-16"])
def test_headers_in_any_encoding_are_read(encoding: str, tmp_path: Path) -> None:
    header, cube = write_pair(tmp_path)
    text = header.read_text() + "sensor type = Küche µ\n"
    header.write_bytes(text.encode(encoding))
    image = read(header)
    np.testing.assert_array_equal(image.numpy(), cube)
    assert image.metadata["fields"]["sensor type"] == "Küche µ"


def test_fields_in_capitals_are_read_without_a_warning(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    header, cube = write_pair(tmp_path)
    edit(header, "lines =", "Lines =")
    edit(header, "byte order =", "Byte Order =")
    np.testing.assert_array_equal(read(header).numpy(), cube)
    assert not len(recwarn)


def test_three_bytes_deep_bands_are_shown(tmp_path: Path) -> None:
    header = tmp_path / "rgb.hdr"
    picture = cube_of("u1", (5, 7, 3))
    envi.save_image(str(header), picture, ext="img")
    np.testing.assert_array_equal(read_rgb(header), picture)


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("lines = 5", "lines = 6", "needs 336 bytes"),
        ("lines = 5", "lines = 99999999999999999999", "needs"),
        ("header offset = 0", "header offset = 1", "needs 281 bytes"),
        ("header offset = 0", "header offset = -1", "header offset"),
        ("samples = 7", "samples = 0", "'samples'|samples = '0'"),
        ("samples = 7", "samples = seven", "samples = 'seven'"),
        ("bands = 4\n", "", "lacks the field 'bands'"),
        ("data type = 12", "data type = 7", "data type 7"),
        ("interleave = bil", "interleave = bpi", "interleave 'bpi'"),
        ("interleave = bil\n", "", "interleave 'missing'"),
        ("byte order = 0", "byte order = 2", "byte order 2"),
        ("lines = 5", "lines = 5\nmajor frame offsets = {16, 0}", "needs 360 bytes"),
        ("lines = 5", "lines = 5\nmajor frame offsets = {16}", "give two numbers of bytes"),
        ("lines = 5", "lines = 5\nfile compression = 1", "compressed"),
        ("lines = 5", "lines = 5\nbroken = {1, 2, 3", "damaged ENVI header"),
        ("file type = ENVI Standard", "file type = ENVI Spectral Library", "spectral library"),
        ("ENVI\n", "ENVY\n", "not an ENVI header"),
    ],
)
def test_invalid_headers_are_refused_with_the_reason(
    old: str, new: str, part: str, tmp_path: Path
) -> None:
    header, _ = write_pair(tmp_path)
    edit(header, old, new)
    for path in (header, tmp_path / "cube.dat"):
        message = sentence(path)
        assert any(p in message for p in part.split("|"))
        assert str(header) in message


def test_a_byte_order_is_not_needed_for_single_bytes(tmp_path: Path) -> None:
    header = tmp_path / "cube.hdr"
    cube = cube_of("u1")
    envi.save_image(str(header), cube, ext="img")
    edit(header, "byte order = 0\n", "")
    np.testing.assert_array_equal(read(header).numpy(), cube)


def test_without_a_byte_order_the_lowest_byte_comes_first_and_it_is_said(tmp_path: Path) -> None:
    header, cube = write_pair(tmp_path)
    edit(header, "byte order = 0\n", "")
    with pytest.warns(UserWarning, match="no field 'byte order', so 0"):
        np.testing.assert_array_equal(read(header).numpy(), cube)


@pytest.mark.parametrize(
    ("field", "part"),
    [
        ("wavelength = {450, 550, 650}", "3 entries for 4 bands in 'wavelength'"),
        ("band names = {a, b, c, d, e}", "5 entries for 4 bands in 'band names'"),
        ("bbl = {1, 1, 0, x}", "something else than numbers in 'bbl'"),
        ("data gain values = {0.5, 0.5, 0.5, 0.5}", "'data gain values' .* not applied"),
        ("data offset values = {1, 1, 1, 1}", "'data offset values' .* not applied"),
    ],
)
def test_a_list_that_cannot_be_used_is_told_and_never_blocks_the_cube(
    field: str, part: str, tmp_path: Path
) -> None:
    header, cube = write_pair(tmp_path)
    edit(header, "lines = 5", f"lines = 5\n{field}")
    with pytest.warns(UserWarning, match=part):
        image = read(header)
    np.testing.assert_array_equal(image.numpy(), cube)
    assert (image.channel_names, image.wavelengths, image.bad_bands) == (None, None, None)


@pytest.mark.parametrize(
    "text", ["[450 550 650 850]", "{450 550 650 850}", "{450,0; 550,0; 650,0; 850,0}"]
)
@pytest.mark.parametrize("field", ["wavelength", "wavelengths"])
def test_lists_are_read_however_they_are_written(field: str, text: str, tmp_path: Path) -> None:
    header, _ = write_pair(tmp_path)
    names = "{Blue (0,45 um), Green (0,55 um), Red (0,65 um), NIR (0,85 um)}"
    edit(header, "lines = 5", f"lines = 5\n{field} = {text}\nband names = {names}")
    image = read(header)
    assert image.wavelengths is not None
    assert image.wavelengths.tolist() == [450, 550, 650, 850]
    assert image.channel_names is not None
    assert [name[:4] for name in image.channel_names] == ["Blue", "Gree", "Red ", "NIR "]


@pytest.mark.parametrize("interleave", ["bsq", "bil", "bip"])
@pytest.mark.parametrize(("major", "minor"), [((16, 0), (0, 0)), ((3, 5), (2, 1))])
def test_bytes_between_frames_are_skipped(
    interleave: str, major: tuple[int, int], minor: tuple[int, int], tmp_path: Path
) -> None:
    cube = cube_of("u2")
    header = tmp_path / "cube.hdr"
    envi.save_image(str(header), cube, ext=".dat", interleave=interleave)
    frames = {"bsq": (2, 0, 1), "bil": (0, 2, 1), "bip": (0, 1, 2)}[interleave]
    content = bytes(10)
    for frame in cube.transpose(frames):
        rows = (b"<" * minor[0] + row.tobytes() + b">" * minor[1] for row in frame)
        content += b"[" * major[0] + b"".join(rows) + b"]" * major[1]
    (tmp_path / "cube.dat").write_bytes(content)
    edit(header, "header offset = 0", "header offset = 10")
    offsets = f"major frame offsets = {{{major[0]}, {major[1]}}}\n"
    offsets += f"minor frame offsets = {{{minor[0]}, {minor[1]}}}"
    edit(header, "lines = 5", f"lines = 5\n{offsets}")
    np.testing.assert_array_equal(read(header).numpy(), cube)


def test_a_name_that_contradicts_the_header_is_refused_by_default(tmp_path: Path) -> None:
    header, cube = write_pair(tmp_path, suffix="bsq")
    data = tmp_path / "cube.bsq"
    for path in (header, data):
        assert "says interleave bil but the data file is cube.bsq" in sentence(path)
    np.testing.assert_array_equal(read(data, header=header).numpy(), cube)


def test_of_several_files_the_one_of_the_right_size_is_the_data(tmp_path: Path) -> None:
    header, cube = write_pair(tmp_path)
    (tmp_path / "cube.img").write_bytes(b"a thumbnail")
    np.testing.assert_array_equal(read(header).numpy(), cube)
    shutil.copy(tmp_path / "cube.dat", tmp_path / "cube.img")
    assert "cube.dat, cube.img" in sentence(header)


@pytest.mark.parametrize(
    "content", [b"", b"ENVI", b"ENVI\n" + bytes(range(256)) * 4, b"#?RADIANCE\n", b"ENVI\n{" * 9]
)
def test_anything_but_a_header_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "cube.dat").write_bytes(bytes(100))
    (tmp_path / "cube.hdr").write_bytes(content)
    assert "cube.hdr" in sentence(tmp_path / "cube.hdr")
    sentence(tmp_path / "cube.dat")


def test_an_endless_header_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.hdr").write_bytes(b"ENVI\n" + b"x = {\n" * 1_000_000)
    (tmp_path / "b.hdr").write_bytes(b"ENVI\n" + bytes(10_000_000))
    for name in ("a", "b"):
        assert "too long" in sentence(tmp_path / f"{name}.hdr")


def test_a_cut_off_data_file_is_refused_with_both_sizes(tmp_path: Path) -> None:
    header, _ = write_pair(tmp_path)
    data = tmp_path / "cube.dat"
    data.write_bytes(data.read_bytes()[:-1])
    message = sentence(header)
    assert "280" in message
    assert "279" in message


def test_a_vast_cube_is_opened_and_read_by_region(tmp_path: Path) -> None:
    header, _ = write_pair(tmp_path)
    edit(header, "lines = 5", "lines = 60000")
    edit(header, "samples = 7", "samples = 60000")
    with (tmp_path / "cube.dat").open("r+b") as file:
        file.truncate(60_000 * 60_000 * 4 * 2)  # no blocks on disk for what was never written
    image = read(header)
    part = image.region(59_000, 59_000, 10, 10)
    assert part.numpy().shape == (10, 10, 4)
    assert not part.numpy().any()
    with pytest.raises(ImageError, match="60000×60000"):
        read_rgb(header)
