"""Share the tests out to two processes, each of which collects only its own.

`./test` runs pytest with ``-p tests.halves --dist each --tx 2*popen``. The other ways of
pytest-xdist have every process collect all tests and import all that these import, which takes as
long as many tests.
"""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
# About half of all time. What is in no folder of these is in the second half.
FIRST_HALF = [TESTS / "napari", TESTS / "cli", TESTS / "session"]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the half of the other process."""
    if not hasattr(config, "workerinput"):
        return None
    is_first = any(collection_path.is_relative_to(folder) for folder in FIRST_HALF)
    leads_there = any(folder.is_relative_to(collection_path) for folder in FIRST_HALF)
    if config.workerinput["workerid"] == "gw0":
        return None if is_first or leads_there else True
    return True if is_first else None
