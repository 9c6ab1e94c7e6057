"""What every benchmark needs: the machine, fresh processes, memory, tables and result files."""

from __future__ import annotations

import gc
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

HEARTBEAT_SECONDS = 15.0


def machine() -> dict[str, Any]:
    """Processor, cores this process may use, memory, system and load at this moment."""
    cpu = platform.processor()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(memory / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "load_average": round(os.getloadavg()[0], 2),
    }


def versions(*packages: str) -> dict[str, str]:
    """Version of Python and of each installed package."""
    found = {"python": platform.python_version()}
    for package in packages:
        found[package] = metadata.version(package)
    return found


def resident_mb() -> float:
    """Memory this process holds now, in MB (10⁶ bytes)."""
    gc.collect()
    return _status_mb("self", "VmRSS")


def peak_mb() -> float:
    """The most memory this process held since it began or since `reset_peak`, in MB."""
    return _status_mb("self", "VmHWM")


def reset_peak() -> None:
    """Let `peak_mb` count from now."""
    Path("/proc/self/clear_refs").write_text("5")


def run_fresh(
    script: Path, task: str, config: dict[str, Any], label: str | None = None
) -> dict[str, Any]:
    """Run one task of a script in a process of its own and return what it reports.

    The process is called as ``python SCRIPT TASK CONFIG``, with the configuration as JSON, and
    reports by printing one line of JSON last. With a `label`, a line on stderr says every quarter
    of a minute how long it has been running and how much memory it holds.

    Raises
    ------
    SystemExit
        The process failed; its own message is on stderr.
    """
    command = [sys.executable, str(script), task, json.dumps(config)]
    start = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while True:
            try:
                output, _ = process.communicate(timeout=HEARTBEAT_SECONDS)
                break
            except subprocess.TimeoutExpired:
                if label:
                    held = _status_mb(str(process.pid), "VmRSS") / 1000
                    _say(f"  {label}: {time.monotonic() - start:.0f} s, holds {held:.1f} GB")
    if process.returncode:
        raise SystemExit(f"The task {task!r} of {script.name} failed ({process.returncode}).")
    if label:
        _say(f"  {label}: done after {time.monotonic() - start:.0f} s")
    return json.loads(output.splitlines()[-1])


def report(result: dict[str, Any]) -> None:
    """Print, from inside a fresh process, what `run_fresh` returns."""
    print(json.dumps(result), flush=True)


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows of text under a title, first column left-aligned, the others right-aligned."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    print(f"\n{title}")
    for row in [header, ["-" * width for width in widths], *rows]:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        cells[0] = row[0].ljust(widths[0])
        print("  " + "  ".join(cells))


def write_results(path: Path, results: dict[str, Any]) -> None:
    """Write results as JSON, with the time and the command that made them."""
    command = ["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]]
    stamped = {
        "command": " ".join(command),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        **results,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(json.dumps(stamped, indent=2, ensure_ascii=False) + "\n")
    os.replace(temporary, path)
    print(f"\nWritten: {path}")


def _status_mb(process: str, field: str) -> float:
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        if process == "self":
            raise SystemExit("Memory is read from /proc; run the benchmarks on Linux.") from None
        return 0.0  # the process has just ended
    for line in status.splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
