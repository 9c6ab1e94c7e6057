"""The site builds without a warning, works offline, and shows what the code says."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import typer

import anymask
from anymask.cli.app import app

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The built site: --strict makes links to nowhere and unknown names an error."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def gallery() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_gallery", DOCS / "make_gallery.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_page_loads_anything_from_elsewhere(site) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r'<(?:script|img|iframe)[^>]* src="([^"]+)"', text)
        loaded += re.findall(r'<link[^>]* rel="(?:stylesheet|preconnect|icon)"[^>]*>', text)
        assert loaded
        assert not [each for each in loaded if "//" in each], page


def test_the_reference_has_every_public_name(site) -> None:
    text = (site / "reference" / "python.html").read_text(encoding="utf-8")
    for name in anymask.__all__:
        if not name.startswith("__"):
            assert re.search(rf'id="anymask\.([\w.]+\.)?{name}"', text), name


def test_the_reference_has_every_command_with_its_options(site) -> None:
    text = (site / "reference" / "command_line.html").read_text(encoding="utf-8")
    for name, command in typer.main.get_command(app).commands.items():
        assert f"anymask {name}" in text
        for option in getattr(command, "params", ()):
            if option.opts[0].startswith("--") and not option.hidden:
                assert option.opts[0] in text, (name, option.opts)


def test_the_page_on_the_shipped_model_has_the_figures_of_its_card(site) -> None:
    text = (site / "shipped_model.html").read_text(encoding="utf-8")
    assert "<!-- card" not in text
    for part in ("Figures", "best of 3", "boundary F, box", "coins"):
        assert part in text


def test_the_gallery_shows_the_snippets_as_they_are(gallery) -> None:
    assert gallery.PAGE.read_text(encoding="utf-8") == gallery.page(), (
        "run docs/make_gallery.py again"
    )
    assert len(gallery.names()) == 20
    for name in gallery.names():
        assert len(gallery.parts(name)[2].strip().splitlines()) <= 14, name


def test_the_gallery_has_an_image_for_each_snippet_and_stays_small(gallery) -> None:
    images = {path.stem: path.stat().st_size for path in gallery.IMAGES.glob("*.jpg")}
    assert sorted(images) == gallery.names()
    assert sum(images.values()) < 2_000_000


@pytest.mark.parametrize("name", ["02_correction", "16_index", "17_spectra", "18_touching"])
def test_a_snippet_of_the_gallery_runs(gallery, name) -> None:
    shown = gallery.run(name)
    assert shown.std() > 5
