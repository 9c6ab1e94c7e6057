"""Run the snippets in docs/gallery/ and write their images and the page docs/gallery.md.

Usage: python docs/make_gallery.py [NAME ...]

Each snippet is a short program that ends with an image called `shown`; its docstring is the caption
and the rest stands on the page as it is. Run all of them again when the shipped model changes. With
names (`05_everything`) only these are run. The page is written anew in any case.
"""

from __future__ import annotations

import ast
import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

DOCS = Path(__file__).parent
SNIPPETS = DOCS / "gallery"
IMAGES = DOCS / "images" / "gallery"
PAGE = DOCS / "gallery.md"
WIDTH, HEIGHT, QUALITY = 640, 420, 80

HEAD = """# Gallery

Every image on this page was made by the lines beside it, with the model that comes inside anymask
and with images that come with scikit-image or are computed. Nothing is downloaded. To run them
yourself, copy them into Python; `shown` is the image. Larger models, such as
`anymask.load("vit_b")`, do better on photographs.
"""


def names() -> list[str]:
    """Return the names of all snippets, in the order of the page."""
    return sorted(path.stem for path in SNIPPETS.glob("*.py"))


def parts(name: str) -> tuple[str, str, str]:
    """Return title, caption and code of a snippet."""
    text = (SNIPPETS / f"{name}.py").read_text(encoding="utf-8")
    title, caption = (ast.get_docstring(ast.parse(text)) or "").split(". ", 1)
    code = re.sub(r'\A""".*?"""\n+', "", text, flags=re.S)
    return title, " ".join(caption.split()), code


def run(name: str) -> np.ndarray:
    """Run a snippet in an empty folder and return what it shows."""
    found: dict[str, object] = {}
    with _empty_folder():
        exec(compile(parts(name)[2], f"{name}.py", "exec"), found)
    shown = found["shown"]
    assert isinstance(shown, np.ndarray), f"{name} shows no array"
    assert (shown.dtype, shown.ndim) == (np.uint8, 3), f"{name} shows no 8-bit RGB image"
    return shown


def save(shown: np.ndarray, path: Path) -> None:
    """Write an image small enough for the page; small ones are enlarged to twice their size."""
    height, width = shown.shape[:2]
    scale = min(WIDTH / width, HEIGHT / height, 2)
    size = (round(width * scale), round(height * scale))
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(shown).resize(size, Image.Resampling.LANCZOS).save(
        path, quality=QUALITY, optimize=True
    )


def page() -> str:
    """Return the page with all snippets."""
    text = HEAD
    for name in names():
        title, caption, code = parts(name)
        text += (
            f"\n## {title}\n\n{caption}\n\n"
            '<div class="gallery" markdown>\n\n'
            f"![{title}](images/gallery/{name}.jpg)\n\n"
            f"```python\n{code}```\n\n</div>\n"
        )
    return text


@contextlib.contextmanager
def _empty_folder() -> Iterator[None]:
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


def main(chosen: list[str]) -> None:
    """Run the chosen snippets, or all, and write images and page."""
    for name in chosen or names():
        save(run(name), IMAGES / f"{name}.jpg")
        print(name)  # noqa: T201
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
