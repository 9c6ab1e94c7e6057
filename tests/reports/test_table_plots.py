"""Plots of tables: what is drawn, from which rows."""

from __future__ import annotations

import numpy as np
import pytest

from anymask.errors import AnymaskError, ImageError
from anymask.io.read_table import read_table
from anymask.reports.table_plots import figure_of, plot_table


@pytest.fixture
def table(tmp_path):
    """Five objects of two classes in two images."""
    (tmp_path / "t.csv").write_text(
        "image,id,class_name,area_mm2,ndvi_mean\n"
        "1.tif,1,leaf,10,0.8\n1.tif,2,leaf,30,0.6\n1.tif,3,,2,\n"
        "2.tif,1,leaf,50,0.7\n2.tif,2,,4,0.1\n"
    )
    return read_table(tmp_path / "t.csv")


@pytest.fixture
def spectra(tmp_path):
    """Spectra of two objects in one image and one in another; band 2 is left out."""
    rows = ["image,id,class_name,band,wavelength_nm,name,mean,std,median,pixels"]
    for image, id_, level in (("a.hdr", 1, 1.0), ("a.hdr", 2, 3.0), ("b.hdr", 1, 7.0)):
        for band, nm in ((3, 640), (0, 500), (1, 520)):
            rows.append(f"{image},{id_},,{band},{nm},,{level + band},0.25,0,9")
    (tmp_path / "s.csv").write_text("\n".join(rows) + "\n")
    return read_table(tmp_path / "s.csv")


def test_a_table_is_read_as_numbers_and_names(table):
    assert table["image"].tolist() == ["1.tif"] * 3 + ["2.tif"] * 2
    np.testing.assert_array_equal(table["ndvi_mean"], [0.8, 0.6, np.nan, 0.7, 0.1])


def points_of(figure) -> dict[tuple[float, ...], int]:
    """The offsets of each set of points."""
    return [each.get_offsets().data for each in figure.axes[0].collections]


def test_a_distribution_has_a_box_and_the_points_of_each_group(table):
    figure, told = figure_of(table, ["area"])
    assert told == "area (mm²) of 5 objects by class."
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["leaf", "no class"]
    assert [sorted(points[:, 1]) for points in points_of(figure)] == [[10, 30, 50], [2, 4]]
    medians = [line.get_ydata()[0] for line in axes.lines if line.get_color() == "black"]
    assert medians == [30, 3]
    figure, _ = figure_of(table, ["area_mm2"], "image")
    assert [sorted(points[:, 1]) for points in points_of(figure)] == [[2, 10, 30], [4, 50]]


def test_a_scatter_has_the_objects_with_both_values(table):
    figure, told = figure_of(table, ["area", "ndvi_mean"])
    assert told == "ndvi mean against area (mm²) of 4 objects."
    assert figure.axes[0].get_xlabel() == "area (mm²)"
    leaf, other = points_of(figure)
    assert leaf.tolist() == [[10, 0.8], [30, 0.6], [50, 0.7]]
    assert other.tolist() == [[4, 0.1]]


def test_spectra_are_means_of_groups_with_their_spread_and_gaps_where_bands_are_left_out(spectra):
    figure, told = figure_of(spectra)
    assert told == "Spectra of 3 objects by image; shaded: one standard deviation."
    a, b = figure.axes[0].lines
    np.testing.assert_array_equal(a.get_xdata(), [500, 520, np.nan, 640])
    np.testing.assert_array_equal(a.get_ydata(), [2, 3, np.nan, 5])
    np.testing.assert_array_equal(b.get_ydata(), [7, 8, np.nan, 10])
    spread_of_a, spread_of_b = (
        each.get_paths()[0].vertices[:, 1] for each in figure.axes[0].collections
    )
    assert (spread_of_a.min(), spread_of_a.max()) == (1, 4)  # between objects
    assert (spread_of_b.min(), spread_of_b.max()) == (6.75, 8.25)  # within the only one
    figure, _ = figure_of(spectra, by="object")
    assert len(figure.axes[0].lines) == 3


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_a_plot_is_written_whole(table, tmp_path, suffix):
    plot_table(table, tmp_path / f"p{suffix}", ["area"])
    start = (tmp_path / f"p{suffix}").read_bytes()[:200]
    assert (
        start.startswith(b"\x89PNG") if suffix == ".png" else b"<svg" in start or b"<?xml" in start
    )
    with pytest.raises(AnymaskError, match="neither"):
        plot_table(table, tmp_path / "p.gif", ["area"])


@pytest.mark.parametrize(
    ("traits", "by", "what"),
    [
        (["aera_mm2"], None, "did you mean 'area_mm2'"),
        (["image"], None, "is text"),
        ([], None, "no spectra; name one or two of its traits: area_mm2, ndvi_mean"),
        (["area", "ndvi_mean", "area"], None, "one trait or two"),
    ],
)
def test_what_cannot_be_plotted_gives_one_sentence(table, traits, by, what):
    with pytest.raises(AnymaskError, match=what):
        figure_of(table, traits, by)
    without = {name: table[name] for name in ("area_mm2", "ndvi_mean")}
    with pytest.raises(AnymaskError, match="no column 'class_name', which by=class needs"):
        figure_of(without, ["area"], "class")


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("t.txt", b"a,b\n", "neither"),
        ("t.csv", b"a,b\n1\n", "a line of 1 cells"),
        ("t.csv", b"a\n1\n", "no table of measurements"),
        ("t.csv", b"\xff\xfe\x00", "cannot be read as a table"),
        ("t.parquet", b"PAR1 and no more", "cannot be read as a table"),
    ],
)
def test_files_that_are_no_tables_are_refused(tmp_path, name, content, what):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError, match=what):
        read_table(tmp_path / name)


def test_the_command_plots_a_table_and_replaces_nothing_unasked(tmp_path, table, spectra):
    from typer.testing import CliRunner

    from anymask.cli.app import app

    def run(*arguments):
        return CliRunner().invoke(app, ["plot", *map(str, arguments)])

    command = (tmp_path / "t.csv", "area", "-o", tmp_path / "p.png")
    result = run(*command, "--by", "image")
    assert result.exit_code == 0
    assert "area (mm²) of 5 objects by image." in result.stderr
    assert run(*command).exit_code == 2
    assert run(*command, "--overwrite").exit_code == 0
    assert run(tmp_path / "s.csv", "-o", tmp_path / "s.svg").exit_code == 0
