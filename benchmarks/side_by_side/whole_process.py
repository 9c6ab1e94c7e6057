"""Run the command `anymask`, and finally print what it needed, as a line of JSON.

Measured from outside, the peak of a process would include the memory that its parent had when it
started the process.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import time

from benchmarks.side_by_side.machine import peak_mb


def _needs() -> dict[str, float | None]:
    children = os.times()
    seconds = time.process_time() + children.children_user + children.children_system
    peak = peak_mb()
    if peak is None and sys.platform == "darwin":
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return {"cpu_seconds": seconds, "peak_mb": peak}


if __name__ == "__main__":
    try:
        runpy.run_module("anymask", run_name="__main__")
    finally:
        sys.stdout.write(f"\n{json.dumps(_needs())}\n")
        sys.stdout.flush()
