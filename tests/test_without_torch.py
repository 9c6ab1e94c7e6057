"""tools/without_torch.py: what the distribution without torch needs and has."""

from __future__ import annotations

import tomllib
from pathlib import Path

from tools.without_torch import project_without_torch

TEXT = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")


def test_it_needs_the_same_packages_but_for_torch():
    own, other = (tomllib.loads(text)["project"] for text in (TEXT, project_without_torch(TEXT)))
    assert (own["name"], other["name"]) == ("anymask", "anymask-onnx")
    gone = set(own["dependencies"]) - set(other["dependencies"])
    new = set(other["dependencies"]) - set(own["dependencies"])
    assert [text.partition(">")[0] for text in gone] == ["torch"]
    assert [text.partition(">")[0] for text in new] == ["onnxruntime"]
    extras = own["optional-dependencies"]
    assert other["optional-dependencies"] == {
        name: extras[name]
        for name in (
            "napari",
            "plots",
            "formats",
            "raw",
            "parquet",
            "geo",
            "dask",
            "web",
            "notebook",
            "cvat",
        )
    }


def test_it_has_the_exported_model_in_place_of_the_checkpoint():
    files = tomllib.loads(project_without_torch(TEXT))["tool"]["setuptools"]["package-data"]
    assert "checkpoints/weights/small_onnx/*" in files["anymask"]
    assert not any(name.endswith(".safetensors") for name in files["anymask"])
