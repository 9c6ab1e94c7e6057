"""Common parts of the benchmarks: machine, fresh processes, memory, tables and result files."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.side_by_side.machine import (
    machine,
    peak_mb,
    report_of,
    reset_peak,
    resident_mb,
    versions,
)

__all__ = [
    "machine",
    "peak_mb",
    "print_table",
    "report",
    "reset_peak",
    "resident_mb",
    "run_fresh",
    "versions",
    "write_results",
]


def run_fresh(
    script: Path, task: str, config: dict[str, Any], label: str | None = None
) -> dict[str, Any]:
    """Run one task of a script in its own process and return what it reports.

    The process is started as ``python -m benchmarks.SCRIPT TASK CONFIG``, with the configuration as
    JSON, and prints its report as the last line, also JSON. With a `label`, lines on stderr show
    the progress.

    Raises
    ------
    AnymaskError
        If the process failed; its own message is on stderr.
    """
    start = time.monotonic()
    found = report_of(
        ["-m", f"benchmarks.{script.stem}", task, json.dumps(config)],
        _say if label else None,
        label or task,
    )
    if label:
        _say(f"  {label}: done after {time.monotonic() - start:.0f} s")
    return found


def report(result: dict[str, Any]) -> None:
    """Print, from inside a fresh process, what `run_fresh` returns."""
    print(json.dumps(result), flush=True)


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows of text under a title, the first column left-aligned, the others right-aligned."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    print(f"\n{title}")
    for row in [header, ["-" * width for width in widths], *rows]:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        cells[0] = row[0].ljust(widths[0])
        print("  " + "  ".join(cells))


def write_results(path: Path, results: dict[str, Any]) -> None:
    """Write results as JSON, with the date and the command."""
    command = ["python", "-m", f"benchmarks.{Path(sys.argv[0]).stem}", *sys.argv[1:]]
    stamped = {
        "command": " ".join(command),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        **results,
    }
    replace_results(path, stamped)


def replace_results(path: Path, results: dict[str, Any]) -> None:
    """Write extended results of an earlier run as JSON, without a new date."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    os.replace(temporary, path)
    print(f"\nWritten: {path}")


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
