"""Build the wheel and the sdist, check them, and try the wheel in a fresh environment.

    python tools/distribution.py                 # into dist/
    python tools/distribution.py --out DIR --no-try

The checks cover the size, the files of the wheel and the sdist compared with `src/`, the metadata
(`twine check --strict`), and the links of the README, which must be absolute because the package
index resolves no relative ones. Then the wheel is installed in a new virtual environment, and
`tools/try_install.py` runs there.
"""

from __future__ import annotations

import argparse
import email
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import zipfile
from email.message import Message
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MAX_BYTES = 25_000_000


class DistributionError(Exception):
    """One sentence on what is wrong with the build."""


def build(out: Path, *, isolated: bool) -> tuple[Path, Path]:
    """Build sdist and wheel (the wheel from the sdist) in `out`; returns (wheel, sdist)."""
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        raise DistributionError(f"{out} is not empty; empty it, or choose another --out.")
    extra = [] if isolated else ["--no-isolation"]
    run([sys.executable, "-m", "build", "--outdir", str(out), *extra, str(ROOT)], "the build")
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    return wheel, sdist


def package_files() -> set[str]:
    """The files that both distributions must contain, relative to `src/`."""
    src = ROOT / "src"
    return {
        path.relative_to(src).as_posix()
        for path in (src / "anymask").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


def wheel_problems(wheel: Path) -> list[str]:
    """Problems with the wheel's name, size, files and metadata."""
    problems = size_problems(wheel)
    if not wheel.name.endswith("-py3-none-any.whl"):
        problems.append(f"{wheel.name} is not a wheel for every system (py3-none-any).")
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        held = {name for name in names if ".dist-info/" not in name}
        problems += difference_problems(wheel, held)
        metadata_name = next(name for name in names if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(metadata_name))
    return problems + metadata_problems(metadata)


def sdist_problems(sdist: Path) -> list[str]:
    """Problems with the sdist's size and files."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    files = {name.removeprefix("src/") for name in names if name.startswith("src/anymask/")}
    directories = {name for name in files if any(each.startswith(name + "/") for each in files)}
    problems = size_problems(sdist) + difference_problems(sdist, files - directories)
    for needed in ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"):
        if needed not in names:
            problems.append(f"{sdist.name} lacks {needed}; name it in MANIFEST.in.")
    if any(name.startswith("tests/") for name in names):
        problems.append(f"{sdist.name} contains tests/; exclude it in MANIFEST.in.")
    return problems


def size_problems(path: Path) -> list[str]:
    size = path.stat().st_size
    if size <= MAX_BYTES:
        return []
    return [f"{path.name} has {size / 1e6:.1f} MB; at most {MAX_BYTES / 1e6:.0f} MB are allowed."]


def difference_problems(path: Path, held: set[str]) -> list[str]:
    wanted = package_files()
    missing, extra = sorted(wanted - held), sorted(held - wanted)
    problems = []
    if missing:
        problems.append(f"{path.name} lacks {', '.join(missing)} of src/.")
    if extra:
        problems.append(f"{path.name} contains {', '.join(extra)}, which src/ does not.")
    return problems


def metadata_problems(metadata: Message) -> list[str]:
    """Problems with the wheel's metadata that twine does not check."""
    problems = []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    if metadata["Version"] != source_version():
        problems.append(f"The wheel has version {metadata['Version']}, not {source_version()}.")
    for field in ("License-Expression", "License-File", "Project-URL", "Requires-Python"):
        if field not in metadata:
            problems.append(f"The wheel's metadata lacks {field}.")
    built = {text for text in metadata.get_all("Requires-Dist", []) if "extra ==" not in text}
    if len(built) != len(project.get("dependencies", [])):
        problems.append("The wheel's dependencies are not those of pyproject.toml.")
    for target in re.findall(r"\]\(([^)\s]+)\)", str(metadata.get_payload())):
        if not target.startswith(("https://", "#")):
            problems.append(f"The README links to {target}, which is not absolute.")
    return problems


def source_version() -> str:
    text = (ROOT / "src" / "anymask" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "(.+)"$', text, re.M)
    if found is None:
        raise DistributionError('src/anymask/__init__.py has no line __version__ = "...".')
    return found[1]


def try_wheel(wheel: Path, constraints: Path) -> None:
    """Install the wheel in a new virtual environment and run `tools/try_install.py` with it."""
    with tempfile.TemporaryDirectory(prefix="anymask-try-") as folder:
        venv = Path(folder) / "venv"
        run([sys.executable, "-m", "venv", "--without-pip", str(venv)], "making an environment")
        python = venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        # The pip of this script's environment installs into the new one, which needs no pip.
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-compile"]
        before = time.monotonic()
        run([*pip, "--quiet", "-c", str(constraints), str(wheel)], "installing the wheel")
        print(f"Installed in {time.monotonic() - before:.0f} s.")
        script = ROOT / "tools" / "try_install.py"
        run([str(python), str(script), source_version()], "the trial", cwd=folder)


def run(command: list[str], what: str, cwd: str | None = None) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    if subprocess.run(command, env=environment, cwd=cwd).returncode:
        raise DistributionError(f"{what[0].upper()}{what[1:]} failed; its messages are above.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="an empty or new folder")
    parser.add_argument(
        "--no-isolation", action="store_true", help="build with the installed setuptools"
    )
    parser.add_argument("--no-try", action="store_true", help="do not install and try the wheel")
    options = parser.parse_args()
    try:
        wheel, sdist = build(options.out, isolated=not options.no_isolation)
        run([sys.executable, "-m", "twine", "check", "--strict", str(wheel), str(sdist)], "twine")
        problems = wheel_problems(wheel) + sdist_problems(sdist)
        if problems:
            raise DistributionError("\n".join(problems))
        for path in (wheel, sdist):
            print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB, checked")
        if not options.no_try:
            try_wheel(wheel, ROOT / "constraints.txt")
    except DistributionError as error:
        sys.exit(f"distribution: {error}")


if __name__ == "__main__":
    main()
