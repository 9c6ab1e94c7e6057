"""What is said about files that are read, as the command line prints it."""

from __future__ import annotations

import json
import subprocess
import sys


def test_what_is_left_out_of_a_file_is_a_line_on_stderr(tmp_path):
    box = [[2, 2], [8, 2], [8, 6], [2, 6]]
    shapes = [
        {"label": "cell", "points": box, "shape_type": "polygon"},
        {"label": "tip", "points": [[1, 1]], "shape_type": "point"},
        {"label": "tip", "points": [[3, 3]], "shape_type": "point"},
    ]
    data = {"shapes": shapes, "imagePath": "a.png", "imageHeight": 10, "imageWidth": 12}
    (tmp_path / "a.json").write_text(json.dumps(data))
    run = subprocess.run(
        [sys.executable, "-m", "anymask", "convert", "a.json", "--to", "labels", "-o", "a.tif"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = run.stderr.splitlines()
    assert line == (
        "a.json: Shape 2, a point called 'tip', covers no pixels and is left out (and 1 more like "
        "it)."
    )
