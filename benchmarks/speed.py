"""Speed of the engine, compared with the `segment-anything` wheel and `transformers` (sdpa).

    python -m benchmarks.speed                          # 15 to 60 minutes
    python -m benchmarks.speed --quick                  # an 8×8 grid of points, fewer repetitions
    python -m benchmarks.speed --only encoder,decoder   # single parts, see --help

Measured with a ViT-B of the same random weights in anymask and in the wheel, on a photograph of
1800×1200 pixels: encoder, decoder, postprocessing after the decoder, "everything" with its peak
memory, and a click. Measured with the ViT-B and with the shipped model: "everything" in
10,000×10,000 pixels. Measured with the shipped model only: a click, a whole process after a cold
start, imports, and the first mask.

Prints tables and writes benchmarks/results/speed.json and speed.md with machine, versions and
command. With --keep, rows of an earlier run on the same machine and versions stay if this run does
not measure them, so the table can be made in several runs. Memory is only measured on Linux. Needs
the development tools (``pip install -e .[dev]``).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from anymask.files import whole_file
from anymask.model.config import VARIANTS, SamConfig
from benchmarks.side_by_side.effort import FULL, PARTS, QUICK, Effort
from benchmarks.side_by_side.report import Report, Row, markdown_table
from benchmarks.side_by_side.run import benchmark

RESULTS = Path(__file__).parent / "results"

# Parts that are measured with each model.
WITH_VIT = ("encoder", "decoder", "click", "after", "everything", "large")
WITH_SHIPPED = ("start", "click", "cold", "large")

# By row: minimum, and aim. Ratios compare wall-clock time with that of the wheel in float32.
GOALS = {
    "vit_b.encoder_bfloat16": ("4.5×", "7×"),
    "vit_b.encoder_float32": ("1.2×, relative L2 ≤ 2e-6", "1.4×"),
    "vit_b.decoder_float32": ("2×, relative L2 ≤ 1e-6", "3×"),
    "vit_b.decoder_bfloat16": ("3.5×, mean IoU ≥ 0.993", "8×"),
    "vit_b.after": ("30×, identical", "60×"),
    "vit_b.everything_bfloat16": ("6×", "12×"),
    "vit_b.memory_bfloat16": ("1,000 MB", "500 MB"),
    "vit_b.click": ("30 ms", ""),
    "vit_b.large_whole": ("4,000 MB", "2,000 MB"),
    "small.large_whole": ("4,000 MB", "2,000 MB"),
    "small.large_tiles": ("4,000 MB", "2,000 MB"),
    "small.cold": ("6 s", "3 s"),
    "small.click": ("15 ms", ""),
    "small.import_package": ("300 ms", ""),
}


def main(arguments: Sequence[str] | None = None, vit: SamConfig = VARIANTS["vit_b"]) -> None:
    """Measure, print and write."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    options = parse_options(arguments)
    effort = chosen_effort(options)
    measured: list[Report] = []
    for name, model, parts in (("vit_b", vit, WITH_VIT), ("small", None, WITH_SHIPPED)):
        chosen = [part for part in parts if part in options.only]
        if not chosen or name not in options.models:
            continue
        report = benchmark(
            model,
            parts=chosen,
            threads=options.threads,
            device=options.device,
            progress=lambda line: print(line, file=sys.stderr, flush=True),
            effort=effort,
        )
        rows = tuple(replace(row, key=f"{name}.{row.key}") for row in report.rows)
        measured.append(replace(report, rows=rows))
        print(f"\n{measured[-1].table()}", flush=True)
    if not measured:
        raise SystemExit("None of these parts can be measured with these models; see --help.")
    results = results_of(measured, arguments)
    output = options.output
    if options.keep and output.exists():
        results = with_earlier(results, json.loads(output.read_text(encoding="utf-8")))
    page = output.with_suffix(".md")
    written = {output: json.dumps(results, indent=2, ensure_ascii=False) + "\n"}
    for path, text in {**written, page: page_of(results)}.items():
        with whole_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    print(f"\nWritten: {output} and {page.name}")


def parse_options(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Compare speed with other packages.")
    parser.add_argument(
        "--only", type=_names(PARTS), default=PARTS, help=f"parts, of {','.join(PARTS)}"
    )
    parser.add_argument(
        "--models", type=_names(("vit_b", "small")), default=("vit_b", "small"), help="models"
    )
    parser.add_argument("--quick", action="store_true", help="8 points per side, few repetitions")
    parser.add_argument("--points-per-side", type=int, help="grid of everything")
    parser.add_argument("--prompts", type=int, help="prompts for timing the decoder")
    parser.add_argument("--repeats", type=int, help="repetitions of slow parts")
    parser.add_argument("--starts", type=int, help="processes started for each cold-start figure")
    parser.add_argument("--large-side", type=int, help="side of the very large image in pixels")
    parser.add_argument("--tile-size", type=int, help="tile size for the very large image")
    parser.add_argument("--threads", type=int, help="threads; torch decides by default")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--keep", action="store_true", help="keep other rows of the last run")
    parser.add_argument("--output", type=Path, default=RESULTS / "speed.json")
    return parser.parse_args(arguments)


def _names(known: Sequence[str]) -> Any:
    def names(text: str) -> tuple[str, ...]:
        found = tuple(text.split(","))
        if unknown := set(found) - set(known):
            raise argparse.ArgumentTypeError(f"no {', '.join(unknown)} among {', '.join(known)}")
        return found

    return names


def chosen_effort(options: argparse.Namespace) -> Effort:
    """How much to measure, from the options."""
    given = {f.name: getattr(options, f.name, None) for f in fields(Effort)}
    base = replace(QUICK, points_per_side=8) if options.quick else FULL
    return replace(base, **{name: value for name, value in given.items() if value is not None})


def results_of(reports: Sequence[Report], arguments: Sequence[str]) -> dict[str, Any]:
    """All results, ready for JSON; the command is without file paths."""
    hidden = {i + 1 for i, word in enumerate(arguments) if word == "--output"}
    words = [
        word
        for i, word in enumerate(arguments)
        if i not in hidden and not word.startswith("--output")
    ]
    command = " ".join(["python -m benchmarks.speed", *words])
    stamp = {"command": command, "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")}
    rows = [
        {**row.to_dict(), **stamp, "settings": dict(report.settings)}
        for report in reports
        for row in report.rows
    ]
    first = reports[0]
    return {
        "machine": dict(first.machine),
        "versions": dict(first.versions),
        "rows": sorted(rows, key=_place),
    }


def _place(row: dict[str, Any]) -> int:
    """Sort key: rows with a goal first, in the order of the goals."""
    keys = list(GOALS)
    return keys.index(row["key"]) if row["key"] in keys else len(keys)


def with_earlier(results: dict[str, Any], earlier: dict[str, Any]) -> dict[str, Any]:
    """Merge the results with rows of an earlier run that they lack.

    Raises
    ------
    SystemExit
        If the earlier run was on another machine or with other versions.
    """
    same = [earlier["machine"].get(key) for key in ("cpu", "cores", "device")]
    if earlier["versions"] != results["versions"] or same != [
        results["machine"].get(key) for key in ("cpu", "cores", "device")
    ]:
        raise SystemExit(
            "The earlier results are for another machine or other versions, so they are not kept; "
            "leave out --keep, or write to another file with --output."
        )
    new = {row["key"] for row in results["rows"]}
    rows = [*results["rows"], *(row for row in earlier["rows"] if row["key"] not in new)]
    return {**results, "rows": sorted(rows, key=_place)}


def page_of(results: dict[str, Any]) -> str:
    """The results as a Markdown page."""
    known = {field.name for field in fields(Row)}
    rows = [Row(**{k: v for k, v in row.items() if k in known}) for row in results["rows"]]
    machine = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    commands = dict.fromkeys((row["command"], row["date"]) for row in results["rows"])
    threads = sorted({row["settings"]["threads"] for row in results["rows"]})
    return "\n".join(
        [
            "# Speed",
            "",
            f"{machine['cpu']}, {machine['cores']} cores, {machine.get('memory_gb', '?')} GB, "
            f"{machine['system']}, {machine['device']}; threads of torch: "
            f"{', '.join(map(str, threads))}; load average at the end "
            f"{machine.get('load_average', '?')}.",
            "",
            f"{versions}.",
            "",
            *(f"`{command}` ({date})  " for command, date in commands),
            "",
            "ViT-B with random weights; small is the shipped model. Median wall-clock times; "
            "segment-anything and transformers compute in float32, and the ratio is to "
            "segment-anything. CPU seconds and all runs are in the JSON file next to this one.",
            "",
            markdown_table(rows, GOALS),
            "",
        ]
    )


if __name__ == "__main__":
    main()
