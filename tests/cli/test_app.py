"""The `anymask` command as a whole: help, version, completion, `info` and `models`."""

from __future__ import annotations

import hashlib
import importlib
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import anymask
from anymask.cli.app import app, main
from anymask.cli.console import errors_as_sentences
from anymask.errors import AnymaskError

COMMANDS = (
    *(
        "everything",
        "segment",
        "alike",
        "serve",
        "gui",
        "semantic",
        "clean",
        "overlay",
        "measure",
        "spectra",
    ),
    *("plot", "convert", "export", "replay", "evaluate", "finetune", "tune", "benchmark", "info"),
    *("models", "dataset", "job", "session", "track", "export-onnx", "text", "edges", "page"),
)


def test_the_version_is_printed(cli):
    result = cli("--version")
    assert (result.exit_code, result.stdout) == (0, f"anymask {anymask.__version__}\n")


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_every_help_has_an_example(cli, command):
    # Groups have their examples in the help of their commands.
    groups = {"dataset": ["dataset", "check"], "job": ["job", "status"]}
    groups["session"] = ["session", "import"]
    words = groups.get(command, [command]) if command else []
    result = cli(*words, "--help")
    assert result.exit_code == 0
    name = " ".join(words) or "everything"
    assert f"  anymask {name} " in result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_lists_every_command(cli, command):
    assert f"│ {command} " in cli("--help").stdout


def test_every_command_takes_out_and_its_old_name_output():
    group = typer.main.get_command(app)
    parent = group.make_context("anymask", ["models"])
    words = ["a.json", "--to", "png", "--output", "a.png"]
    assert group.commands["convert"].make_context("convert", words, parent).params["output"] == (
        Path("a.png")
    )
    for command in group.commands.values():
        names = [set(parameter.opts) for parameter in command.params]
        assert not any({"--output"} & each for each in names)
        assert all({"-o"} <= each for each in names if {"--out"} & each)


def test_without_a_command_the_help_is_shown(cli):
    result = cli()
    assert "Usage: anymask" in result.output


@pytest.mark.parametrize("arguments", [["segmentt"], ["segment"], ["everything", "--no-such"]])
def test_a_mistyped_command_exits_2_without_a_traceback(cli, arguments):
    result = cli(*arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_offered(start_process, shell):
    # Without this, typer uses the shell that runs the tests instead of the given one.
    variables = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    process = start_process("--show-completion", shell, variables=variables)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert {"bash": "complete -o", "zsh": "#compdef", "fish": "complete --command"}[shell] in out
    assert "_ANYMASK_COMPLETE" in out


def test_completion_lists_the_commands():
    result = CliRunner().invoke(
        app,
        [],
        prog_name="anymask",
        env={"_ANYMASK_COMPLETE": "complete_bash", "COMP_WORDS": "anymask ", "COMP_CWORD": "1"},
    )
    assert set(result.stdout.split()) == set(COMMANDS)


def test_python_m_anymask_is_the_same_command(start_process):
    out, _ = start_process("--version").communicate(timeout=60)
    assert out == f"anymask {anymask.__version__}\n"


def test_a_user_error_prints_one_sentence_and_exits_2(capsys):
    import typer

    @errors_as_sentences
    def command() -> None:
        raise AnymaskError("The [red]file[/red] is wrong.")

    with pytest.raises(typer.Exit) as caught:
        command()
    assert caught.value.exit_code == 2
    assert capsys.readouterr().err == "The [red]file[/red] is wrong.\n"


def test_info_shows_what_a_file_contains(cli, model, small_reference_sam):
    result = cli("info", model, "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["parameters"] == sum(p.numel() for p in small_reference_sam.parameters())
    assert found["image_size"] == 256
    assert found["dtype"] == "float32"
    assert found["sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    table = cli("info", model).stdout
    assert "217,532" in table
    assert "256 × 256 pixels" in table


def test_info_of_a_file_that_is_not_a_checkpoint_exits_2(cli, tmp_path):
    (tmp_path / "notes.pth").write_text("to do: buy milk")
    result = cli("info", tmp_path / "notes.pth")
    assert result.exit_code == 2
    assert "notes.pth" in result.stderr
    assert result.stdout == ""


def test_models_lists_known_and_cached_models(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("ANYMASK_HOME", str(tmp_path))
    rows = {row["name"]: row for row in json.loads(cli("models", "--json").stdout)}
    assert {"small", "vit_b", "vit_l", "vit_h", "vit_t", "sam2.1_hiera_tiny"} <= set(rows)
    assert rows["small"]["where"] == "shipped"
    assert rows["vit_b"]["where"] == "to download"
    with (tmp_path / "sam_vit_b_01ec64.pth").open("wb") as file:
        file.truncate(rows["vit_b"]["bytes"])
    rows = {row["name"]: row for row in json.loads(cli("models", "--json").stdout)}
    assert rows["vit_b"]["where"] == "cached"
    assert rows["vit_b"]["path"] == str(tmp_path / "sam_vit_b_01ec64.pth")
    assert str(tmp_path) in cli("models").stdout


def test_a_closed_pipe_gives_no_traceback(start_process):
    process = start_process("models", "--json")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
    process.wait(timeout=60)
    process.stderr.close()


def test_the_installed_script_runs_this_command():
    root = Path(__file__).parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, _, function = project["scripts"]["anymask"].partition(":")
    assert getattr(importlib.import_module(module), function) is main


def test_ctrl_c_stops_quietly_even_if_an_import_turns_it_into_another_error():
    @errors_as_sentences
    def command():
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            raise RuntimeError("Error calling __set_name__") from error

    with pytest.raises(typer.Exit) as stop:
        command()
    assert stop.value.exit_code == 130


_SWALLOWS_CTRL_C = """
import signal
import typer
from anymask.cli.console import errors_as_sentences, note_interrupts

@errors_as_sentences
def command():
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        pass
    raise RuntimeError("error of a library")

note_interrupts()
typer.run(command)
"""


def test_ctrl_c_stops_the_command_even_if_a_library_swallows_it() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _SWALLOWS_CTRL_C], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 130
    assert ran.stderr == "Stopped.\n"
