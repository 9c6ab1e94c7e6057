"""The whole benchmark with a tiny model: every row is measured, and masks are compared."""

from __future__ import annotations

import json

import pytest

from anymask.errors import AnymaskError
from anymask.model.config import SamConfig, ViTConfig
from benchmarks import speed
from benchmarks.side_by_side.effort import PARTS, Effort
from benchmarks.side_by_side.parts import MEASURES
from benchmarks.side_by_side.run import benchmark

TINY = SamConfig(
    "tiny",
    ViTConfig(48, 2, 2, (1,), window_size=3),
    image_size=128,
    prompt_dim=32,
    decoder_mlp_dim=64,
    iou_head_hidden_dim=32,
)

pytestmark = pytest.mark.slow
PEERS = ("segment-anything", "transformers")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Results of `benchmarks/speed.py` for all parts of a tiny ViT."""
    folder = tmp_path_factory.mktemp("results")
    options = "--models vit_b --points-per-side 4 --prompts 9 --repeats 1 --starts 1 --threads 1"
    speed.main(
        [*options.split(), "--large-side", "200", "--output", str(folder / "speed.json")], TINY
    )
    return {
        **json.loads((folder / "speed.json").read_text(encoding="utf-8")),
        "page": (folder / "speed.md").read_text(encoding="utf-8"),
    }


@pytest.fixture(scope="module")
def rows(results):
    return {row["key"].removeprefix("vit_b."): row for row in results["rows"]}


def test_every_part_has_a_row_with_a_value(rows):
    assert {key.partition("_")[0] for key in rows} == {
        *("encoder", "decoder", "click", "after", "everything", "memory", "large")
    }
    assert all(row["ours"] > 0 for row in rows.values())


def test_the_encoder_and_the_decoder_are_compared_with_the_other_packages(rows):
    for key in ("encoder_float32", "decoder_float32"):
        assert rows[key]["metas"] > 0
        assert rows[key]["transformers"] > 0
        assert rows[key]["ratio"] == rows[key]["metas"] / rows[key]["ours"]
        assert rows[key]["cpu_ratio"] == rows[key]["cpu_metas"] / rows[key]["cpu_ours"]
    assert rows["everything_float32"]["metas"] > 0
    assert rows["memory_float32"]["metas"] > 0


def test_embeddings_and_logits_equal_those_of_metas_package(rows):
    for key in ("encoder_float32", "decoder_float32"):
        assert rows[key]["details"]["agreement"]["float32"] < 2e-6


def test_masks_from_the_same_logits_equal_metas_at_every_pixel(rows):
    found = rows["after"]["details"]
    assert found["masks"] == found["their_masks"] == found["identical"] > 0
    assert found["candidates"] == 3 * 4**2


def test_every_mask_of_everything_is_counted(rows):
    runs = rows["everything_float32"]["details"]
    count = runs["segment-anything"]["masks"]
    assert runs["anymask"]["masks"] == count > 0
    assert (
        f"{count} masks; {count} identical to Meta's ({count})"
        in rows["everything_float32"]["note"]
    )


def test_the_page_states_machine_and_command_without_file_paths(results):
    page = results["page"]
    assert "| encoder, tiny, float32 |" in page
    assert "1.2×, relative L2 ≤ 2e-6" in page
    assert "python -m benchmarks.speed --models vit_b --points-per-side 4" in page
    for package in PEERS:
        assert f"{package} {results['versions'][package]}" in page
    assert "/tmp" not in json.dumps(results)
    assert "--output" not in page


def test_the_start_and_a_whole_process_are_measured_without_other_packages():
    effort = Effort(points_per_side=2, repeats=1, starts=1, picture_size=(90, 60))
    report = benchmark(TINY, parts=("cold", "start"), threads=1, peers=False, effort=effort)
    found = {row.key: row for row in report.rows}
    assert list(found) == ["import_package", "first_mask", "cold", "cold_command"]
    assert found["import_package"].note == "without torch"
    first = found["first_mask"].details["runs"][0]
    steps = ("import_and_read", "load", "encode", "predict")
    assert sum(first[f"{step}_seconds"] for step in steps) == pytest.approx(first["seconds"])
    assert found["cold"].ours > first["import_and_read_seconds"] / 10
    assert all(row.metas is None and row.transformers is None for row in report.rows)
    assert report.settings["model"] == "tiny, random weights"
    assert "whole process from cold, tiny, 4 points" in report.table()


def test_every_part_has_a_measure():
    assert tuple(MEASURES) == PARTS


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"parts": ["encoder", "speed"]}, "There is no part 'speed'"),
        ({"parts": []}, "No part of the benchmark is chosen"),
        ({"model": "vit_t", "random": True}, "Random weights exist for vit_b, vit_l and vit_h"),
        ({"random": True}, "not for small"),
    ],
)
def test_impossible_measurements_raise_a_clear_error_before_anything_runs(options, said):
    with pytest.raises(AnymaskError, match=said) as error:
        benchmark(**options)
    assert str(error.value).endswith(".")
    assert "\n" not in str(error.value)


def earlier(**changes):
    machine = {"cpu": "a processor", "cores": 2, "device": "cpu"}
    return {
        "machine": machine,
        "versions": {"torch": "2.9"},
        "rows": [{"key": "small.cold", "ours": 1}, {"key": "vit_b.encoder_float32", "ours": 2}],
        **changes,
    }


def test_rows_of_an_earlier_run_stay_if_there_is_no_new_one():
    new = earlier(rows=[{"key": "small.cold", "ours": 3}])
    kept = speed.with_earlier(new, earlier())
    assert [(row["key"], row["ours"]) for row in kept["rows"]] == [
        ("vit_b.encoder_float32", 2),
        ("small.cold", 3),
    ]


@pytest.mark.parametrize(
    "other",
    [
        {"versions": {"torch": "2.10"}},
        {"machine": {"cpu": "another", "cores": 2, "device": "cpu"}},
    ],
)
def test_rows_of_another_machine_or_version_are_not_kept(other):
    with pytest.raises(SystemExit, match="are not kept"):
        speed.with_earlier(earlier(), earlier(**other))


def test_the_script_rejects_an_unknown_part(capsys):
    with pytest.raises(SystemExit):
        speed.main(["--only", "encoder,engine"])
    assert "no engine among" in capsys.readouterr().err
