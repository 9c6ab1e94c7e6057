"""`anymask benchmark`: the table, its JSON, and what it refuses."""

from __future__ import annotations

import json


def test_a_model_is_measured_and_shown_as_a_table_or_as_json(cli, model) -> None:
    done = cli("benchmark", "--model", model, "--threads", "1", "--device", "cpu", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["threads"] == 1
    assert found["device"] == "cpu"
    assert 0 < found["click_ms"] < found["encode_ms"] + 1000 * found["everything_seconds"]
    table = cli("benchmark", "--model", model, "--threads", "1", "--device", "cpu").stdout
    assert "encode an image" in table
    assert "everything (" in table


def test_random_weights_need_a_variant_and_skip_everything(cli) -> None:
    found = json.loads(cli("benchmark", "--random", "--threads", "1", "--json").stdout)
    assert found["model"] == "small"
    assert found["everything_seconds"] is None
    refused = cli("benchmark", "--random", "--model", "cat.pth")
    assert refused.exit_code == 2
    assert "the variants are vit_b" in refused.stderr
