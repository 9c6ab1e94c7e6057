"""Images of a session: added, named, moved and found again."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

import anymask
from anymask.errors import ExpressionError
from anymask.images.recipes import Recipe
from anymask.session import (
    CancelToken,
    EditedError,
    LayerKey,
    Session,
    SessionError,
    check_expressions,
)
from tests.io.dicom_files import write, write_series


@pytest.fixture
def cube(tmp_path):
    """An ENVI data file with its header in another folder."""
    spectral = pytest.importorskip("spectral.io.envi")
    data = np.random.default_rng(0).integers(1, 4000, (20, 30, 6)).astype(np.uint16)
    spectral.save_image(
        str(tmp_path / "cube.hdr"),
        data,
        dtype=np.uint16,
        interleave="bil",
        ext="bil",
        metadata={"wavelength": [450, 550, 650, 700, 800, 900], "wavelength units": "nm"},
    )
    (tmp_path / "headers").mkdir()
    (tmp_path / "cube.hdr").rename(tmp_path / "headers" / "cube.hdr")
    return tmp_path / "cube.bil"


def test_unreadable_files_are_named_and_the_others_are_added(tmp_path, pictures):
    with Session.create(tmp_path / "work") as session:
        added = session.images.add([pictures, tmp_path / "nowhere.png"])
        assert [image.name for image in session.images] == ["a", "b", "c"]
        assert {failure.path.name for failure in added.failed} == {"broken.png", "nowhere.png"}
        assert all(failure.sentence.endswith(".") for failure in added.failed)
        again = session.images.add(pictures / "a.png")
        assert (again.ids, again.already) == ([], ["i1"])


def test_an_envi_file_without_header_asks_for_one_and_is_added_with_it(tmp_path, cube):
    with Session.create(tmp_path / "work") as session:
        added = session.images.add(cube)
        assert [failure.needs_header for failure in added.failed] == [True]
        added = session.images.add(cube, header=tmp_path / "headers" / "cube.hdr")
        (record,) = session.images
        assert (record.bands, record.size, record.wavelengths[4]) == (6, (20, 30), 800.0)
        expected = anymask.read(cube, header=tmp_path / "headers" / "cube.hdr").numpy()
    with Session.open(tmp_path / "work") as session:
        np.testing.assert_array_equal(session.images.load("i1").numpy(), expected)


def test_images_with_the_same_name_get_unique_names(tmp_path, pictures):
    other = tmp_path / "day2"
    shutil.copytree(pictures, other)
    Image.open(pictures / "a.png").save(pictures / "a.jpg")
    with Session.create(tmp_path / "work") as session:
        session.images.add([pictures / "a.png", pictures / "a.jpg", other / "a.png"])
        names = [image.name for image in session.images]
        assert names[:2] == ["a", "a.jpg"]
        assert len(set(names)) == 3


def test_removing_and_ordering_are_kept(session):
    session.images.remove(["i2"])
    session.images.order(["i3", "i1"])
    session.close()
    with Session.open(session.folder) as again:
        assert [image.id for image in again.images] == ["i3", "i1"]
        added = again.images.add(again.images["i1"].path.parent / "b.png")
        assert added.ids == ["i4"]


def test_a_folder_of_slices_is_a_stack_and_is_found_after_a_move(session, tmp_path):
    folder = write_series(tmp_path / "ct", (20, 30))
    (added,) = session.images.add(folder).ids
    record = session.images[added]
    assert (record.name, record.axes, record.planes) == ("ct", "ZYX", 3)
    assert session.images.load(added).array[:, 0, 0].tolist() == [0, 5, 10]
    session.close()
    (tmp_path / "moved").mkdir()
    folder.rename(tmp_path / "moved" / "ct")
    with Session.open(session.folder) as again:
        assert again.images.load(added).array[:, 0, 0].tolist() == [0, 5, 10]
        assert again.images[added].path == tmp_path / "moved" / "ct"


def test_slices_that_are_no_single_volume_are_images_of_their_own(session, tmp_path):
    folder = write_series(tmp_path / "ct", (20, 30))
    write(folder / "other", np.zeros((20, 30), np.uint16), SeriesInstanceUID="1.2.4")
    added = session.images.add(folder)
    assert [session.images[each].name for each in added.ids] == ["IM0", "IM1", "IM2", "other"]
    assert not added.failed
    assert "has 2 series" in "".join(session.log_lines(20))


def test_a_cancelled_add_keeps_the_images_added_so_far(tmp_path, pictures):
    token = CancelToken()
    with Session.create(tmp_path / "work") as session:
        added = session.images.add(
            pictures, progress=lambda done, total: token.cancel() if done == 1 else None,
            cancel=token,
        )  # fmt: skip
        assert len(added.ids) == 2


def test_a_session_moved_together_with_its_images_finds_them(tmp_path, pictures):
    place = tmp_path / "here"
    place.mkdir()
    shutil.move(pictures, place / "pictures")
    with Session.create(place / "work") as session:
        session.images.add(place / "pictures" / "a.png")
        expected = session.images.load("i1").numpy()
    shutil.move(place, tmp_path / "there")
    with Session.open(tmp_path / "there" / "work.anymask") as session:
        assert not session.images.is_missing("i1")
        np.testing.assert_array_equal(session.images.load("i1").numpy(), expected)


def test_a_moved_and_renamed_image_is_found_by_its_content(session, tmp_path):
    record = session.images["i1"]
    expected = np.asarray(Image.open(record.path))
    far = tmp_path.parent / f"{tmp_path.name} elsewhere"
    far.mkdir()
    record.path.rename(far / "renamed.png")
    session.images._files._in_memory.clear()
    with pytest.raises(SessionError, match=f"a: {record.path} is missing"):
        session.images.load("i1")
    assert session.images.is_missing("i1")
    assert session.images.search(far) == ["i1"]
    np.testing.assert_array_equal(session.images.load("i1").numpy(), expected)
    assert any(f"found again at {far}" in message for message in session.messages)


def test_an_image_moved_beside_the_session_is_found_automatically(session, tmp_path):
    record = session.images["i1"]
    (tmp_path / "new place").mkdir()
    record.path.rename(tmp_path / "new place" / "other name.png")
    session.images._files._in_memory.clear()
    session.images.load("i1")
    assert session.images["i1"].path == tmp_path / "new place" / "other name.png"


def test_a_file_with_the_same_name_but_different_content_is_refused(session, tmp_path):
    record = session.images["i1"]
    record.path.unlink()
    session.images._files._in_memory.clear()
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(session.images["i2"].path, other / record.path.name)
    assert session.images.search(other) == []
    with pytest.raises(SessionError, match="is not the file that"):
        session.images.relocate("i1", other / record.path.name)
    with pytest.raises(SessionError, match="is missing"):
        session.images.load("i1")


def test_an_image_replaced_by_one_of_another_shape_is_refused(session):
    record = session.images["i1"]
    session.images._files._in_memory.clear()
    Image.fromarray(np.zeros((10, 10, 3), np.uint8)).save(record.path)
    with pytest.raises(SessionError, match="no longer the image"):
        session.images.load("i1")


def test_an_image_with_changed_pixels_is_reported(session):
    record = session.images["i1"]
    session.images._files._in_memory.clear()
    Image.fromarray(np.zeros((*record.size, 3), np.uint8)).save(record.path)
    session.images.load("i1")
    assert any("has changed since" in message for message in session.messages)


def test_expressions_are_checked_while_typing(tmp_path, cube):
    image = anymask.read(cube, header=tmp_path / "headers" / "cube.hdr")
    assert check_expressions(image, ["nm(800)", "nm(650)", "nm(550)"]) == []
    assert check_expressions(image, ["ndvi"]) == []
    assert check_expressions(image, ["pca"]) == []
    problems = check_expressions(image, ["nm(800)", "ch[1", "ch[9]"])
    assert [problem.field for problem in problems] == [1, 2]
    assert problems[0].position == 4
    assert "6 channels" in problems[1].sentence or "ch[9]" in problems[1].sentence


def test_each_pseudo_rgb_of_a_cube_is_a_layer(tmp_path, cube):
    with Session.create(tmp_path / "work") as session:
        session.images.add(cube, header=tmp_path / "headers" / "cube.hdr")
        session.images.add_recipe("cir=nm(800); nm(650); nm(550)")
        session.images.add_recipe("ndvi")
        with pytest.raises(ExpressionError):
            session.images.add_recipe("bad=ch[99]")
        assert [key.recipe for key in session.layers] == ["rgb", "cir", "ndvi"]
        expected = anymask.pseudo_rgb(
            session.images.load("i1"), "nm(800)", "nm(650)", "nm(550)"
        ).rgb
        np.testing.assert_array_equal(session.images.rgb(LayerKey("i1", "cir")), expected)
        gray = session.images.rgb(LayerKey("i1", "ndvi"))
        np.testing.assert_array_equal(gray[..., 0], gray[..., 2])
        session.images.remove_recipe("rgb")
    with Session.open(tmp_path / "work") as session:
        assert session.images["i1"].recipes[0] == Recipe("cir", ("nm(800)", "nm(650)", "nm(550)"))
        session.images.remove_recipe("ndvi")
        with pytest.raises(SessionError, match="add another one first"):
            session.images.remove_recipe("cir")


def test_a_pseudo_rgb_with_edited_masks_is_removed_only_with_force(session, paint):
    session.images.add_recipe("first=ch[0]")
    key = LayerKey("i1", "first")
    paint(session, key, 1, slice(0, 9), slice(0, 9))
    with pytest.raises(EditedError, match=r"a\.first"):
        session.images.remove_recipe("first")
    with pytest.raises(EditedError, match="another name"):
        session.images.add_recipe("first=ch[1]")
    session.images.remove_recipe("first", force=True)
    assert key not in session.layers
    with pytest.raises(SessionError, match="no pseudo-RGB"):
        session.layers.labels(key)


def test_a_new_image_gets_the_pseudo_rgbs_shared_by_all_others(session, pictures):
    session.images.add_recipe("red=ch[0]")
    session.images.add_recipe("green=ch[1]", images=["i1"])
    Image.open(pictures / "a.png").rotate(90, expand=True).save(pictures / "d.png")
    added = session.images.add(pictures / "d.png")
    assert [how.name for how in session.images[added.ids[0]].recipes] == ["rgb", "red"]


def test_a_pseudo_rgb_for_all_images_is_added_where_it_fits(session, cube, tmp_path):
    (leaf,) = session.images.add(cube, header=tmp_path / "headers" / "cube.hdr").ids
    added = session.images.add_recipe_where_it_fits("ndvi")
    assert added.ids == (leaf,)
    assert [image for image, _ in added.refused] == ["i1", "i2", "i3"]
    assert "wavelengths" in added.refused[0][1]
    assert [key.image for key in session.layers if key.recipe == "ndvi"] == [leaf]
    with pytest.raises(ExpressionError, match="99"):
        session.images.add_recipe_where_it_fits("ch[99]")


@pytest.mark.parametrize("method", ["truecolor", "pca", "mnf"])
def test_no_image_has_a_pseudo_rgb_that_cannot_be_computed_from_its_bands(
    session, cube, tmp_path, method
):
    grey = tmp_path / "grey.png"
    Image.new("L", (12, 9)).save(grey)
    (plain,) = session.images.add(grey).ids
    assert "wavelengths" in str(check_expressions(session.images.load(plain), [method])) or (
        "1 good band;" in str(check_expressions(session.images.load(plain), [method]))
    )
    (leaf,) = session.images.add(cube, header=tmp_path / "headers" / "cube.hdr").ids
    added = session.images.add_recipe_where_it_fits(method)
    assert leaf in added.ids
    assert plain in dict(added.refused)
    Image.new("L", (9, 9)).save(tmp_path / "later.png")
    (later,) = session.images.add(tmp_path / "later.png").ids
    assert [how.name for how in session.images[later].recipes] == ["rgb"]


def test_a_new_cube_gets_the_pseudo_rgbs_of_the_cubes_in_a_mixed_session(session, cube, tmp_path):
    header = tmp_path / "headers" / "cube.hdr"
    session.images.add(cube, header=header)
    session.images.add_recipe_where_it_fits("ndvi")
    twin = tmp_path / f"twin{cube.suffix}"
    twin.write_bytes(cube.read_bytes())
    (added,) = session.images.add(twin, header=header).ids
    assert [how.name for how in session.images[added].recipes] == ["rgb", "ndvi"]


def test_thumbnails_are_small_and_cached(session):
    small = session.images.thumbnail("i1", 48)
    assert small.shape == (36, 48, 3)
    session.images["i1"].path.unlink()
    session.images._files._in_memory.clear()
    session.images._rendered._kept.clear()
    np.testing.assert_array_equal(session.images.thumbnail("i1", 48), small)


def test_a_thumbnail_shows_the_current_pseudo_rgb(session):
    before = session.images.thumbnail("i1", 48)
    session.images.add_recipe("ch[2]", "ch[1]", "ch[0]", name="rgb")
    after = session.images.thumbnail("i1", 48)
    red, blue = (after[..., channel].ravel() for channel in (0, 2))
    assert np.corrcoef(before[..., 0].ravel(), blue)[0, 1] > 0.98
    assert np.corrcoef(before[..., 0].ravel(), red)[0, 1] < 0.9


def test_each_plane_of_a_stack_is_shown(tmp_path, stack_file):
    with Session.create(tmp_path / "work") as session:
        session.images.add(stack_file)
        (record,) = session.images
        assert (record.planes, record.label_shape) == (5, (5, 90, 120))
        key = session.layers[0]
        bright = [int((session.images.rgb(key, z)[..., 0] > 128).sum()) for z in range(4)]
        assert min(bright) > 500


def test_only_the_region_of_a_very_large_image_is_read(session, monkeypatch):
    from anymask.session import Region, kept_pixels

    key = session.layers[0]
    whole = session.images.rgb(key)
    session.images._rendered._kept.clear()
    monkeypatch.setattr(kept_pixels, "_MOST_PIXELS", 100)
    part = session.images.rgb_part(key, 0, Region(10, 20, 30, 40))
    np.testing.assert_array_equal(part, whole[10:40, 20:60])
    assert not session.images._rendered._kept
    assert session.images.rgb_part(key, 0, Region(10, 20, 30, 40, 2)).shape == (15, 20, 3)
