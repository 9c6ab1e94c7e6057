"""`anymask benchmark`: the table and its JSON."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from anymask.benchmarking.effort import PARTS
from anymask.cli.benchmark import benchmark


@pytest.fixture
def run():
    app = typer.Typer(rich_markup_mode="markdown")
    app.command()(benchmark)
    return lambda *arguments: CliRunner().invoke(app, [str(a) for a in arguments])


def test_a_part_of_the_table_is_measured_with_a_given_model(run, model):
    done = run("--model", model, "--only", "click", "--threads", "1", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert [row["key"] for row in found["rows"]] == ["click"]
    assert found["rows"][0]["unit"] == "ms"
    assert found["settings"]["model"] == "reference"
    assert found["settings"]["threads"] == 1


def test_the_table_is_for_reading(run, model):
    done = run(
        "--model", model, "--only", "encoder", "--alone", "--threads", "1", "--device", "cpu"
    )
    assert done.exit_code == 0, done.output
    assert "encoder, reference, float32" in done.stdout
    assert "Encoder …" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--only", "encoder,engine"), "There is no part 'engine'"),
        (("--random",), "Random weights are drawn for vit_b"),
        (("--model", "no_such_model.pth"), "There is no file no_such_model.pth"),
    ],
)
def test_a_mistake_ends_in_a_sentence(run, arguments, said):
    done = run(*arguments)
    assert done.exit_code == 2
    assert said in done.stderr


def test_the_help_names_the_parts(run):
    shown = run("--help").stdout
    assert all(part in shown for part in PARTS)
