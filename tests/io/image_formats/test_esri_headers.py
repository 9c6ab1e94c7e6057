"""ESRI's headers of BIL, BIP and BSQ files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anymask.io.listing import list_images
from anymask.io.read_images import read
from tests.io.image_formats.envi_pairs import cube_of
from tests.io.refusals import sentence

ESRI = """BYTEORDER      {order}
LAYOUT         {layout}
NROWS          5
NCOLS          7
NBANDS         4
NBITS          16
BANDROWBYTES   {band}
TOTALROWBYTES  {total}
ULXMAP         500001
ULYMAP         5000009
XDIM           2
YDIM           2
NODATA         7
"""
UTM = 'PROJCS["UTM 32N",GEOGCS["WGS 84",UNIT["Degree",0.0174]],UNIT["Meter",1]]'


@pytest.mark.parametrize(("order", "byteorder"), [("I", "<"), ("M", ">")])
def test_esri_headers_are_read_beside_envis(order: str, byteorder: str, tmp_path: Path) -> None:
    cube = cube_of("u2").astype(f"{byteorder}u2")
    rows = b"".join(line.tobytes() + b"xx" for row in cube.transpose(0, 2, 1) for line in row)
    (tmp_path / "a.bil").write_bytes(rows)
    header = tmp_path / "a.hdr"
    header.write_text(ESRI.format(order=order, layout="BIL", band=16, total=64))
    for path in (header, tmp_path / "a.bil"):
        image = read(path)
        np.testing.assert_array_equal(image.numpy(), cube)
        assert (image.metadata["format"], image.metadata["nodata"]) == ("ESRI", 7)
        assert image.geo is not None
        assert image.geo["transform"] == (500_000, 2, 0, 5_000_010, 0, -2)
        assert image.pixel_size is None  # nothing says in which unit
    (tmp_path / "a.prj").write_text(UTM)
    image = read(header)
    assert (image.pixel_size, image.unit) == ((2, 2), "m")
    assert (image.geo or {})["crs"] == UTM
    assert [path.name for path in list_images(tmp_path)] == ["a.hdr"]


@pytest.mark.parametrize(("layout", "order"), [("BSQ", (2, 0, 1)), ("BIP", (0, 1, 2))])
def test_esri_layouts_are_those_of_envi(
    layout: str, order: tuple[int, int, int], tmp_path: Path
) -> None:
    cube = cube_of("u2")
    (tmp_path / f"a.{layout.lower()}").write_bytes(cube.transpose(order).tobytes())
    (tmp_path / "a.hdr").write_text(f"nrows 5\nncols 7\nnbands 4\nnbits 16\nlayout {layout}\n")
    np.testing.assert_array_equal(read(tmp_path / "a.hdr").numpy(), cube)


def test_other_files_called_hdr_are_no_images(tmp_path: Path) -> None:
    (tmp_path / "a.hdr").write_text("ncols 7\nnrows 5\ncellsize 2\nbyteorder LSBFIRST\n")
    (tmp_path / "a.bil").write_bytes(bytes(280))
    assert "not an ENVI header" in sentence(tmp_path / "a.hdr")
