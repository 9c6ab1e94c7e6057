"""Make a release: version, changelog, wheel and sdist, checks, trial and tag.

    python tools/release.py 0.2.0 --dry-run
    python tools/release.py 0.2.0

Everything happens in a clone of the repository. Only after the wheel has been built, checked,
installed in a fresh environment and tried on real images, the commit, the files in `dist/` and
finally the tag `v0.2.0` are transferred to this repository. With `--dry-run`, or if anything fails,
nothing changes here. Nothing is pushed: the last line shows the command for it.
"""

from __future__ import annotations

import argparse
import datetime
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from packaging.version import InvalidVersion, Version

# Files that contain the version, and the line that states it.
VERSION_LINES = {
    "src/anymask/__init__.py": '__version__ = "{}"',
    "CITATION.cff": "version: {}",
    "conda/recipe.yaml": '  version: "{}"',
}


class ReleaseError(Exception):
    """One sentence on why the release failed."""


def git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True)
    if done.returncode:
        raise ReleaseError(f"git {words[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip()


def current_version(root: Path) -> str:
    text = (root / "src" / "anymask" / "__init__.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "(.+)"$', text, re.M)[1]


def section(changelog: str, title: str) -> str | None:
    """The text below `## title`, up to the next section; None if there is no such section."""
    found = re.search(
        rf"^## {re.escape(title)}(?: - [^\n]*)?$(.*?)(?=^## |\Z)", changelog, re.M | re.S
    )
    return found and found[1].strip()


def check_can_release(root: Path, version: str) -> None:
    """Check everything that would make a wrong release, before anything is built."""
    try:
        wanted = Version(version)
    except InvalidVersion:
        raise ReleaseError(f"{version} is not a version such as 0.2.0 or 0.2.0rc1.") from None
    if str(wanted) != version:
        raise ReleaseError(f"Write the version as {wanted}, not {version}.")
    if git(root, "status", "--porcelain"):
        raise ReleaseError("The working tree has changes; commit or remove them first.")
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    if git(root, "tag", "--list", f"v{version}") or section(changelog, version) is not None:
        raise ReleaseError(f"Version {version} exists already; choose a later one.")
    current = current_version(root)
    if wanted <= Version(current):
        raise ReleaseError(f"Version {version} is not later than {current}, the last one.")
    if not re.search(r"^- ", section(changelog, "Unreleased") or "", re.M):
        raise ReleaseError("Unreleased in CHANGELOG.md is empty; there is nothing to release.")


def set_version(root: Path, version: str) -> None:
    """Write the version into all files that state it, and rename Unreleased to it."""
    old = current_version(root)
    for name, line in VERSION_LINES.items():
        path = root / name
        lines = path.read_text(encoding="utf-8").split("\n")
        if lines.count(line.format(old)) != 1:
            raise ReleaseError(f"{name} must have exactly one line '{line.format(old)}'.")
        lines[lines.index(line.format(old))] = line.format(version)
        path.write_text("\n".join(lines), encoding="utf-8", newline="\n")
    path = root / "CHANGELOG.md"
    text = path.read_text(encoding="utf-8")
    heading = f"## Unreleased\n\n## {version} - {datetime.date.today().isoformat()}"
    path.write_text(
        re.sub(r"^## Unreleased$", heading, text, count=1, flags=re.M),
        encoding="utf-8",
        newline="\n",
    )


def build_release(root: Path, clone: Path, version: str, options: list[str]) -> None:
    """Commit the release in a clone, and build, check and try it there."""
    git(root, "clone", "--quiet", "--no-hardlinks", str(root), str(clone))
    for key in ("user.name", "user.email"):
        git(clone, "config", key, git(root, "config", key))
    set_version(clone, version)
    git(clone, "commit", "--quiet", "--all", "--message", f"Release {version}")
    command = [sys.executable, str(clone / "tools" / "distribution.py"), *options]
    if subprocess.run(command).returncode:
        raise ReleaseError("The build failed its checks; see above.")


def take_over(root: Path, clone: Path, version: str) -> None:
    """Transfer the commit and the files of a successful build here, then the tag."""
    git(root, "fetch", "--quiet", str(clone), "HEAD")
    git(root, "merge", "--quiet", "--ff-only", "FETCH_HEAD")
    dist = root / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    shutil.copytree(clone / "dist", dist)
    notes = section((root / "CHANGELOG.md").read_text(encoding="utf-8"), version)
    message = f"anymask {version}\n\n{notes}\n"
    # Verbatim, because git would remove the headings of the notes as comments.
    git(root, "tag", "--annotate", f"v{version}", "--cleanup=verbatim", "--message", message)


def release(root: Path, version: str, *, dry_run: bool, options: list[str]) -> None:
    check_can_release(root, version)
    with tempfile.TemporaryDirectory(prefix="anymask-release-") as folder:
        clone = Path(folder) / "anymask"
        build_release(root, clone, version, options)
        if dry_run:
            print(git(clone, "show", "--stat", "--patch", "--unified=1", "HEAD"))
            print(f"\nDry run: {version} passed. Nothing here was changed.")
            return
        take_over(root, clone, version)
    print(f"Version {version} is committed and tagged; its files are in dist/.")
    print(f"To publish it: git push origin HEAD v{version}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("version", help="the new version, such as 0.2.0")
    parser.add_argument("--dry-run", action="store_true", help="no commit, no dist/, no tag")
    parser.add_argument(
        "--no-isolation", action="store_true", help="build with the installed setuptools"
    )
    options = parser.parse_args()
    root = Path(__file__).resolve().parents[1]
    passed_on = ["--no-isolation"] if options.no_isolation else []
    try:
        release(root, options.version, dry_run=options.dry_run, options=passed_on)
    except ReleaseError as error:
        sys.exit(f"release: {error}")


if __name__ == "__main__":
    main()
