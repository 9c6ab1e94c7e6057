"""Programs written for `segment-anything`, unchanged, on anymask: ``python -m benchmarks.compat``.

Each program of `benchmarks.compat_programs` runs in two processes with the same model file and
image, on the wheel and on `anymask.compat`. The table says whether it runs, how many pixels of its
masks differ, how far other numbers are apart, and how the times compare.

The model is a SAM in the real format with two blocks of ViT-B's width and random weights.
`--python` is the Python of an environment that has the programs; anymask is taken from here.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
_KINDS = ("segment-anything", "anymask")


def main() -> None:
    """Run the programs and print the table."""
    from benchmarks.compat_programs import PROGRAMS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="of the programs' environment")
    parser.add_argument("--only", help="names of programs, separated by commas")
    parser.add_argument("--output", type=Path, default=RESULTS / "compat.json")
    parser.add_argument("--keep", action="store_true", help="rows of the last run stay")
    parser.add_argument("--timeout", type=float, default=1800, help="seconds of one program")
    options = parser.parse_args()
    names = options.only.split(",") if options.only else list(PROGRAMS)
    rows = json.loads(options.output.read_text())["programs"] if options.keep else {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_inputs(folder)
        for name in names:
            rows[name] = _compared(name, folder, options)
            print(_line(name, rows[name]), flush=True)
            _write(rows, options.output)
    print(_table(rows))


def _write(rows: dict[str, Any], path: Path) -> None:
    path.write_text(json.dumps({"programs": rows}, indent=1) + "\n")
    path.with_suffix(".md").write_text(_table(rows))


def _write_inputs(folder: Path) -> None:
    import torch
    from PIL import Image
    from skimage.data import coffee

    from anymask.model.config import VARIANTS, ViTConfig
    from benchmarks.side_by_side.random_weights import random_state

    config = replace(VARIANTS["vit_b"], image_encoder=ViTConfig(768, 2, 12, (1,)))
    torch.save(random_state(config), folder / "sam_vit_b.pth")
    Image.fromarray(coffee()[:, :480]).resize((384, 320)).save(folder / "image.png")


def _compared(name: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    reports = {kind: _run(name, kind, folder, options) for kind in _KINDS}
    theirs, ours = (reports[kind] for kind in _KINDS)
    row: dict[str, Any] = {f"error_{kind}": reports[kind].get("error") for kind in _KINDS}
    row["versions"] = ours.get("versions", {})
    if not (theirs.get("error") or ours.get("error")):
        row["seconds"] = {kind: round(reports[kind]["seconds"], 2) for kind in _KINDS}
        row["cpu_seconds"] = {kind: round(reports[kind]["cpu_seconds"], 2) for kind in _KINDS}
        files = [np.load(folder / f"{name}-{kind}.npz") for kind in _KINDS]
        row |= _differences(dict(files[0]), dict(files[1]))
    return row


def _run(name: str, kind: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    command = [options.python, "-m", "benchmarks.compat_run", name, kind, str(folder)]
    try:
        done = subprocess.run(
            command,
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=options.timeout,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"took more than {options.timeout:g} s"}
    try:
        report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        report = {"error": (done.stderr.strip().splitlines() or ["ended without a word"])[-1]}
    return report


def _differences(theirs: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    """Pixels of masks that differ, of how many; largest relative difference of other numbers."""
    pixels = differing = masks = 0
    apart = 0.0
    for name, expected in theirs.items():
        found = ours[name]
        if found.shape != expected.shape:
            return {"shapes": f"{name}: {expected.shape} and {found.shape}"}
        if name.startswith("masks"):
            masks += int(np.prod(expected.shape[:-2]))
            pixels += expected.size
            differing += int((found != expected).sum())
        elif expected.size:
            difference = np.linalg.norm(found.astype(float) - expected)
            apart = max(apart, float(difference / max(np.linalg.norm(expected), 1e-12)))
    return {"masks": masks, "pixels": pixels, "differing": differing, "apart": apart}


def _line(name: str, row: dict[str, Any]) -> str:
    return f"{name}: {json.dumps(row)}"


def _table(rows: dict[str, Any]) -> str:
    from benchmarks.compat_programs import PROGRAMS

    lines = [
        "| program | runs unchanged | pixels that differ | other numbers | time, anymask / wheel |",
        "|---|---|---|---|---|",
    ]
    for name, program in PROGRAMS.items():
        row = rows.get(name)
        versions = ", ".join(f"{n} {v}" for n, v in row["versions"].items()) if row else ""
        title = f"{program.title} ({versions})" if versions else program.title
        cells = _cells(row) if row else ["not measured", "–", "–", "–"]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cells(row: dict[str, Any]) -> list[str]:
    for kind in _KINDS:
        if row.get(f"error_{kind}"):
            where = "" if kind == "anymask" else f", nor on {kind}"
            return [f"no{where}: {row[f'error_{kind}']}", "–", "–", "–"]
    if "shapes" in row:
        return [f"other results: {row['shapes']}", "–", "–", "–"]
    seconds = row["cpu_seconds"]
    return [
        "yes",
        f"{row['differing']} of {row['pixels']:,}" if row["pixels"] else "no masks",
        f"{row['apart']:.0e}" if row["apart"] else "the same",
        f"{seconds['anymask'] / seconds['segment-anything']:.2f}",
    ]


if __name__ == "__main__":
    main()
