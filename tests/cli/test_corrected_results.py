"""Every command reads masks as they were corrected in the label image of a result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from anymask.io.results import write_results
from anymask.masks.mask_set import MaskSet
from anymask.notices import ReadingNotice


@pytest.mark.parametrize("command", ["convert", "clean", "measure", "spectra"])
def test_every_command_reads_the_corrected_masks(tmp_path: Path, cli, command: str) -> None:
    labels, picture = np.zeros((20, 30), np.uint16), np.zeros((20, 30, 3), np.uint8)
    labels[2:8, 2:8], labels[12:15, 20:28] = 1, 4
    results = tmp_path / "masks"
    write_results(results / "a", picture, MaskSet.from_labels(labels), image_name="a.png")
    tifffile.imwrite(results / "a.labels.tif", np.where(labels == 4, 0, labels))
    result, image, out = results / "a.masks.json", tmp_path / "a.tif", tmp_path / "out.csv"
    tifffile.imwrite(image, picture, photometric="rgb")
    arguments = {
        "convert": [results, "--to", "csv", "-o", out],
        "clean": [results, "--fill-holes", "all", "--to", "csv", "-o", tmp_path / "cleaned"],
        "measure": [image, result, "-o", out],
        "spectra": [image, result, "-o", out],
    }[command]
    with pytest.warns(ReadingNotice, match=r"corrected after a\.masks\.json"):
        done = cli(command, *arguments)
    assert done.exit_code == 0, done.stderr
    table = out if out.exists() else next((tmp_path / "cleaned").glob("*.csv"))
    assert {row.split(",")[0] for row in table.read_text().splitlines()[1:]} == {"1"}
