"""GeoPackage and Shapefile hold what GIS programs expect, and theirs are read where they lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pyproj
import pytest
import shapely
from pyogrio.raw import read as read_raw
from shapely.geometry import mapping

import anymask
from anymask.errors import ImageError
from anymask.images.image import Image
from anymask.io import load_masks, save_masks
from anymask.io.gathering import gather_results
from anymask.io.read_masks import scale_of
from anymask.masks.mask_set import MaskSet
from tests.io.test_geo_reference import LABELS, UTM, custom  # noqa: F401

RING = np.zeros((20, 30), np.uint8)
RING[2:12, 4:20], RING[5:8, 8:12] = 7, 0
FORMS = {"gpkg": "a.gpkg", "shapefile": "a.shp"}


@pytest.fixture
def field() -> Image:
    return Image(RING, "YX", geo=UTM, pixel_size=(0.5, 0.5), unit="m", name="field")


def shapes_in(path: Path) -> tuple[dict[str, Any], list[Any], dict[str, Any]]:
    facts, _, shapes, values = read_raw(path)
    return facts, list(shapely.from_wkb(shapes)), dict(zip(facts["fields"], values, strict=True))


@pytest.mark.parametrize("form", FORMS)
def test_outlines_are_written_on_the_map_with_their_properties(
    form: str, tmp_path: Path, field: Image
) -> None:
    masks = MaskSet.from_labels(RING).with_class_names(["Rübe"])
    path = tmp_path / FORMS[form]
    save_masks(masks, path, form, image=field)
    facts, (shape,), columns = shapes_in(path)
    assert pyproj.CRS(facts["crs"]).to_epsg() == 32632
    # 160 pixels with a hole of 12, of a quarter of a square metre each
    assert shape.area == 37.0
    assert shape.bounds == (500_002.0, 5_199_994.0, 500_010.0, 5_199_999.0)
    assert (columns["id"].tolist(), columns["class_name"].tolist()) == ([7], ["Rübe"])
    assert np.array_equal(load_masks(path, image=field).to_labels(), RING)


def test_a_geopackage_knows_the_place_and_size_of_its_image(tmp_path: Path, field: Image) -> None:
    save_masks(RING, tmp_path / "a.gpkg", image=field)
    assert np.array_equal(load_masks(tmp_path / "a.gpkg").to_labels(), RING)
    facts = scale_of(tmp_path / "a.gpkg")
    assert (facts["pixel_size"], facts["unit"]) == ((0.5, 0.5), "m")
    assert facts["geo_reference"] == UTM


def test_a_shapefile_needs_the_size_of_its_image(tmp_path: Path) -> None:
    save_masks(RING, tmp_path / "a.shp")
    with pytest.raises(ImageError, match=r"a\.shp does not say how large the image is; give"):
        load_masks(tmp_path / "a.shp")
    assert np.array_equal(load_masks(tmp_path / "a.shp", RING.shape).to_labels(), RING)


def test_a_layer_in_another_reference_system_is_brought_to_the_image(
    tmp_path: Path, field: Image
) -> None:
    corners = pyproj.Transformer.from_crs("EPSG:32632", "EPSG:4326", always_xy=True)
    box = shapely.box(500_002.0, 5_199_994.0, 500_010.0, 5_199_999.0)
    degrees = shapely.transform(box, corners.transform, interleaved=False)
    pyogrio.raw.write(
        tmp_path / "drawn.gpkg",
        geometry=shapely.to_wkb(np.array([degrees], object)),
        field_data=[np.array(["beet"], object)],
        fields=["class"],
        geometry_type="Polygon",
        crs="EPSG:4326",
        driver="GPKG",
    )
    masks = load_masks(tmp_path / "drawn.gpkg", image=field)
    expected = np.zeros_like(RING)
    expected[2:12, 4:20] = 1
    assert np.array_equal(masks.to_labels(), expected)
    assert masks.class_names == ("beet",)


def test_geojson_in_another_reference_system_is_brought_to_the_image(
    tmp_path: Path, field: Image
) -> None:
    corners = pyproj.Transformer.from_crs("EPSG:32632", "EPSG:3857", always_xy=True)
    box = shapely.box(500_002.0, 5_199_994.0, 500_010.0, 5_199_999.0)
    moved = shapely.transform(box, corners.transform, interleaved=False)
    drawn = {
        "type": "FeatureCollection",
        "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::3857"}},
        "features": [{"type": "Feature", "properties": {}, "geometry": mapping(moved)}],
    }
    (tmp_path / "drawn.geojson").write_text(json.dumps(drawn))
    expected = np.zeros_like(RING)
    expected[2:12, 4:20] = 1
    masks = load_masks(tmp_path / "drawn.geojson", image=field)
    assert np.array_equal(masks.to_labels(), expected)


def test_a_geopackage_keeps_a_reference_system_without_a_code(
    tmp_path: Path,
    custom: Image,  # noqa: F811
) -> None:
    save_masks(LABELS, tmp_path / "a.gpkg", image=custom)
    facts, (shape,), _ = shapes_in(tmp_path / "a.gpkg")
    system = pyproj.CRS(facts["crs"])
    assert system.coordinate_operation.method_name == "Lambert Azimuthal Equal Area"
    assert shape.bounds == (500_002.5, 5_199_995.0, 500_007.5, 5_199_998.0)


def test_a_folder_with_a_shapefile_has_one_result(tmp_path: Path, field: Image) -> None:
    save_masks(RING, tmp_path / "a.shp", image=field)
    assert {path.suffix for path in tmp_path.iterdir()} == {".shp", ".shx", ".dbf", ".prj", ".cpg"}
    assert [result.path.name for result in gather_results([tmp_path])] == ["a.shp"]


@pytest.mark.parametrize("name", ["a.gpkg", "a.shp"])
def test_a_damaged_file_is_named(name: str, tmp_path: Path, field: Image) -> None:
    save_masks(RING, tmp_path / name, image=field)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[:150])
    with pytest.raises(ImageError, match=rf"{name} cannot be read"):
        anymask.load_masks(tmp_path / name, RING.shape)
