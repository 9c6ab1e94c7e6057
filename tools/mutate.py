"""Change the code at random places, and list the changes that no test notices.

    pip install cosmic-ray     # makes the changes; not one of the development tools
    python tools/mutate.py src/anymask/masks --tests tests/masks --number 50 --seed 1

Each change (a `+` for a `-`, a `<=` for a `<`, a number one higher, …) is made in a copy of the
working tree, where the tests then run until one fails. Changes of annotations are left out. What is
listed is not always a fault of the tests: some changes make no difference.

Only on Linux and macOS: each run is a fork of this process, which has imported torch already.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import importlib
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("src", "tests", "recipes", "benchmarks", "docs", "tools", "pyproject.toml", "README.md")
SLOW_TO_IMPORT = ("torch", "scipy.ndimage", "skimage.measure", "hypothesis", "pytest", "tifffile")
# Of a run; a changed loop may not end.
MOST_BYTES = 8 * 2**30
# Deleted decorators and renamed errors are hardly ever what a test should notice.
LEFT_OUT = ("RemoveDecorator", "ExceptionReplacer", "Variable")


def places(path: Path) -> Iterator[tuple[Path, str, int]]:
    """Where a module can be changed: the module, the kind of change, and which one of that kind."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator, operator_names

    nodes = list(ast_nodes(get_ast(path.read_text(encoding="utf-8"))))
    for name in operator_names():
        if not any(part in name for part in LEFT_OUT):
            operator = get_operator(name)()
            count = sum(1 for node in nodes for _ in operator.mutation_positions(node))
            yield from ((path, name, number) for number in range(count))


def changes(files: list[Path], number: int, seed: int) -> Iterator[tuple[Path, str]]:
    """Modules with the text that each has after one change, chosen at random."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    possible = [place for path in files for place in places(path)]
    print(f"{len(possible)} changes of {len(files)} modules are possible.", flush=True)
    random.Random(seed).shuffle(possible)
    for path, name, occurrence in possible:
        if number == 0:
            return
        text = path.read_text(encoding="utf-8")
        changed = mutate_code(text, get_operator(name)(), occurrence)
        with suppress(SyntaxError):
            if changed is not None and meaning(changed) != meaning(text):
                number -= 1
                yield path, changed


def meaning(text: str) -> str:
    """The code without its annotations, which are never evaluated here."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(0)
        elif isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            node.returns = None
    return ast.dump(tree)


def outcome(copy: Path, tests: list[str], seconds: float) -> str:
    """Run the tests in a fork: "passed", "failed", or "too slow"."""
    child = os.fork()
    if child == 0:
        run_tests(copy, tests)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return "passed" if os.waitstatus_to_exitcode(status) == 0 else "failed"
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "too slow"


def run_tests(copy: Path, tests: list[str]) -> None:
    import pytest

    os.setsid()
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    os.chdir(copy)
    with open(os.devnull, "w") as nothing:
        for stream in (1, 2):
            os.dup2(nothing.fileno(), stream)
    sys.dont_write_bytecode = True  # changes within a second would otherwise look like none
    sys.path[:0] = [str(copy / "src"), str(copy)]
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path[:2])
    code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-m", "not slow", *tests])
    os._exit(int(code))


def tests_of(module: Path, places: list[Path]) -> list[str]:
    """The test files named after a module first, then all places."""
    names = {f"test_{module.stem.strip('_')}.py", f"test_{module.parent.name}.py"}
    own = [f for place in places if place.is_dir() for f in place.rglob("*.py") if f.name in names]
    return [os.path.relpath(path, ROOT) for path in (*sorted(own), *places)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="+", type=Path, help="modules, or folders of them")
    parser.add_argument("--tests", nargs="+", type=Path, required=True, help="files or folders")
    parser.add_argument("--number", type=int, default=50, help="how many changes to try")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    tests = [path.resolve() for path in options.tests]
    files = sorted(
        file.resolve()
        for path in options.modules
        for file in ([path] if path.is_file() else path.rglob("*.py"))
    )
    for name in SLOW_TO_IMPORT:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory(prefix="anymask-mutate-") as folder:
        copy = Path(folder)
        for name in COPIED:
            copy_of = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy_of(ROOT / name, copy / name)
        began = time.monotonic()
        if outcome(copy, [os.path.relpath(path, ROOT) for path in tests], 1e6) != "passed":
            sys.exit("The tests fail without any change.")
        limit = 3 * (time.monotonic() - began) + 10
        tried = survivors = 0
        for path, changed in changes(files, options.number, options.seed):
            inside, text = path.relative_to(ROOT), path.read_text(encoding="utf-8")
            (copy / inside).write_text(changed, encoding="utf-8")
            passed = outcome(copy, tests_of(path, tests), limit) == "passed"
            (copy / inside).write_text(text, encoding="utf-8")
            tried += 1
            if passed:
                survivors += 1
                lines = (text.splitlines(), changed.splitlines())
                told = list(difflib.unified_diff(*lines, str(inside), "", lineterm="", n=0))
                print(f"\nnot noticed: {told[0][4:]}", *told[2:], sep="\n", flush=True)
    print(f"\n{tried - survivors} of {tried} changes were noticed.")


if __name__ == "__main__":
    main()
