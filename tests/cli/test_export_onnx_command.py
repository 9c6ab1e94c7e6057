"""``anymask export-onnx``."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from anymask import save
from anymask.cli.app import app
from anymask.model.config import SamConfig, ViTConfig
from anymask.model.sam import Sam

CONFIG = SamConfig(
    "mine", ViTConfig(32, 1, 1, (), window_size=3), image_size=64, prompt_dim=64,
    decoder_heads=2, decoder_mlp_dim=64, iou_head_hidden_dim=32,
)  # fmt: skip


def test_the_files_and_their_difference_to_torch_are_printed(tmp_path: Path):
    save(Sam(CONFIG).eval(), tmp_path / "mine.safetensors")
    words = ["export-onnx", str(tmp_path / "mine.safetensors"), "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*words, "--weights", "int8"])
    assert result.exit_code == 0, result.output
    for part in ("encoder.onnx", "decoder.onnx", "MB", "IoU with torch's masks", "48"):
        assert part in result.output
    facts = json.loads((tmp_path / "out" / "model.json").read_text())
    assert facts["weights"] == "int8"
    shown = CliRunner().invoke(app, ["info", str(tmp_path / "out" / "decoder.onnx")])
    assert "mine, exported to ONNX" in shown.output
    assert "int8" in shown.output
    again = CliRunner().invoke(app, words)
    assert again.exit_code == 2
    assert "exists already" in again.output
