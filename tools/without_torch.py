"""Build the wheel `anymask-onnx`: anymask for installations without torch.

    python tools/without_torch.py --out DIR

An extra can add a dependency but never take one away, so `pip install anymask` brings torch, and
this second distribution of the same files does not. It depends on ONNX Runtime instead and has the
shipped model as ONNX files. Install one of the two: both have the module `anymask`. Everything is
derived from `pyproject.toml`, so that there is one list of dependencies to keep.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WEIGHTS = Path("src") / "anymask" / "checkpoints" / "weights"
# Extras that are of no use without torch.
WITHOUT = ("train", "pretrain", "video", "text", "docs", "dev", "onnx")


def project_without_torch(text: str) -> str:
    """Return `pyproject.toml` for the distribution without torch.

    Parameters
    ----------
    text : str
        The project's own.
    """
    runtime = next(
        line
        for line in tomllib.loads(text)["project"]["optional-dependencies"]["onnx"]
        if line.startswith("onnxruntime")
    )
    text = _replaced(text, r'^name = "anymask"$', 'name = "anymask-onnx"')
    text = _replaced(text, r'^(    #.*\n)*    "torch[^\n]*\n', f'    "{runtime}",\n')
    for extra in WITHOUT:
        text = _replaced(text, rf"^(#.*\n)*{extra} = \[[^\]]*(\[[^\]]*\][^\]]*)*\]\n", "")
    old = '    "checkpoints/weights/*.safetensors",\n'
    return _replaced(text, re.escape(old), '    "checkpoints/weights/small_onnx/*",\n')


def _replaced(text: str, pattern: str, by: str) -> str:
    changed, count = re.subn(pattern, by, text, flags=re.MULTILINE)
    if count != 1:
        raise SystemExit(f"pyproject.toml has {pattern!r} {count} times; adapt {__file__}.")
    return changed


def build(out: Path) -> Path:
    """Build the wheel in a folder and return it."""
    from anymask import export_onnx

    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        ignored = shutil.ignore_patterns("__pycache__", "*.safetensors", "*.egg-info")
        shutil.copytree(ROOT / "src", tree / "src", ignore=ignored)
        for name in ("README.md", "LICENSE", "MANIFEST.in"):
            shutil.copy(ROOT / name, tree)
        text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
        (tree / "pyproject.toml").write_text(project_without_torch(text), encoding="utf-8")
        export_onnx("small", tree / WEIGHTS / "small_onnx", weights="float16")
        command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
        subprocess.run([*command, folder], check=True)
    (wheel,) = out.glob("anymask_onnx-*.whl")
    return wheel


def main() -> None:
    """Build the wheel and print its size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("dist-onnx"))
    wheel = build(parser.parse_args().out)
    print(f"{wheel} has {wheel.stat().st_size / 1e6:.1f} MB.")


if __name__ == "__main__":
    main()
