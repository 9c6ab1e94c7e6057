"""The structure of a session: a store without models, and parts with a fixed import order."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import anymask

FOLDER = Path(anymask.__file__).parent / "session"
# Each part may import those on earlier lines; parts on one line do not import each other.
ORDER = (
    ("store",),
    ("images",),
    ("layers",),
    ("edits",),
    ("runs", "export"),
    ("clicks",),
    ("session",),
)


def imported(path: Path) -> set[str]:
    """Return the session modules that a file imports, by their first name."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("anymask.session."):
            names.add(node.module.split(".")[2])
    return names


def test_the_store_loads_no_model_and_no_torch():
    code = "import anymask.session.store.store, sys; print(*sys.modules)"
    env = {"PYTHONPATH": str(FOLDER.parents[1]), "PATH": ""}
    loaded = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    ).stdout.split()
    assert "anymask.journal" in loaded
    for name in ("torch", "anymask.model", "anymask.predict", "anymask.checkpoints"):
        assert name not in loaded


def test_a_part_imports_only_earlier_parts():
    known: set[str] = set()
    later = {name for line in ORDER for name in line}
    for line in ORDER:
        later -= set(line)
        for name in line:
            path = FOLDER / f"{name}.py"
            files = [path] if path.exists() else sorted((FOLDER / name).glob("*.py"))
            assert files
            for file in files:
                others = imported(file) & (later | set(line) - {name})
                assert not others, f"{file} imports {others}"
        known |= set(line)
