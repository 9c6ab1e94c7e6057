"""Machine, versions, and memory of a process; without torch."""

from __future__ import annotations

import gc
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import AnymaskError

HEARTBEAT_SECONDS = 15.0
_PACKAGES = ("anymask", "torch", "numpy", "pillow", "segment-anything", "transformers")


def machine() -> dict[str, Any]:
    """Processor, cores available to this process, memory, system, and the current load."""
    found: dict[str, Any] = {
        "cpu": _cpu_name(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        found["memory_gb"] = round(memory / 1e9, 1)
    if hasattr(os, "getloadavg"):
        found["load_average"] = round(os.getloadavg()[0], 2)
    return found


def _cpu_name() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def versions(*packages: str) -> dict[str, str]:
    """Version of Python and of each package that is installed."""
    found = {"python": platform.python_version()}
    for package in packages or _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def clocks() -> NDArray[np.float64]:
    """Current wall-clock seconds, and CPU seconds of all threads of the process."""
    return np.array([time.perf_counter(), time.process_time()])


def resident_mb() -> float | None:
    """Memory of this process now, in MB (10⁶ bytes); None if the system does not report it."""
    gc.collect()
    return _status_mb("self", "VmRSS")


def peak_mb() -> float | None:
    """Peak memory of this process since its start or since `reset_peak`, in MB."""
    return _status_mb("self", "VmHWM")


def reset_peak() -> None:
    """Make `peak_mb` count from now, if the system supports it."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _status_mb(process: str, field: str) -> float | None:
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return None
    for line in status.splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024 / 1e6
    return None


def run_fresh(
    module: str,
    task: str,
    config: Mapping[str, Any],
    say: Callable[[str], None] | None = None,
    label: str = "",
    threads: int | None = None,
) -> dict[str, Any]:
    """Run a task in its own process and return what it reports.

    The process is started as ``python -m MODULE TASK CONFIG``, with the configuration as JSON.
    Therefore imports are included, and the memory of other tasks is not. For the other parameters
    and the errors, see `report_of`.
    """
    return report_of(["-m", module, task, json.dumps(config)], say, label or task, threads)


def report_of(
    arguments: Sequence[str],
    say: Callable[[str], None] | None,
    label: str,
    threads: int | None = None,
) -> dict[str, Any]:
    """Run Python with these arguments and return the line of JSON that it prints last.

    Parameters
    ----------
    arguments : sequence of str
    say : callable, optional
        Called every 15 seconds with a line that states how long the process has been running and
        how much memory it uses.
    label : str
        Name of the task in these lines.
    threads : int, optional
        Number of threads; the default is torch's choice.

    Raises
    ------
    AnymaskError
        If the report is an ``error``, with its message; or if the process failed, with its output
        on stderr.
    """
    start = time.monotonic()
    with subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, text=True, env=_environment(threads)
    ) as process:
        try:
            while True:
                try:
                    output, _ = process.communicate(timeout=HEARTBEAT_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    if say is not None:
                        held = _status_mb(str(process.pid), "VmRSS")
                        memory = "" if held is None else f", holds {held / 1000:.1f} GB"
                        say(f"  {label}: {time.monotonic() - start:.0f} s{memory}")
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise AnymaskError(
            f"The part {label!r} of the benchmark failed with exit code {process.returncode}; its "
            "own message is above."
        )
    found = json.loads(output.splitlines()[-1])
    if "error" in found:
        raise AnymaskError(found["error"])
    return found


def run_command(arguments: Sequence[str], threads: int | None = None) -> dict[str, float | None]:
    """Run ``anymask`` with these arguments, as from a shell, and return what it needed.

    Returns
    -------
    dict
        `seconds` from the start of Python to its end, `cpu_seconds`, and `peak_mb`, its peak
        memory; None if the system does not report it.

    Raises
    ------
    AnymaskError
        If the command failed; its output is on stderr.
    """
    command = [sys.executable, "-m", "benchmarks.side_by_side.whole_process", *arguments]
    began = time.monotonic()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=_environment(threads)
    ) as process:
        try:
            output, _ = process.communicate()
        except BaseException:
            process.kill()
            raise
    seconds = time.monotonic() - began
    if process.returncode:
        raise AnymaskError(
            f"'anymask {arguments[0]}' failed with exit code {process.returncode} in the "
            f"benchmark; its own message is above."
        )
    return {"seconds": seconds, **json.loads(output.splitlines()[-1])}


def _environment(threads: int | None) -> dict[str, str]:
    """This process's environment, for a process that finds the same packages."""
    found = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return found if threads is None else {**found, "OMP_NUM_THREADS": str(threads)}
