"""Join the overlays of ./demo into the picture of the README.

Usage: python docs/make_demo_picture.py [demo_output]
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

NAMES = ("coffee", "coins", "chelsea", "ihc")
HEIGHT, GAP = 300, 8


def main(folder: Path) -> None:
    """Write docs/images/demo.png: all overlays at one height, two a row."""
    pictures = []
    for name in NAMES:
        picture = Image.open(folder / f"{name}.overlay.png").convert("RGB")
        width = round(picture.width * HEIGHT / picture.height)
        pictures.append(picture.resize((width, HEIGHT), Image.Resampling.LANCZOS))
    rows = [pictures[:2], pictures[2:]]
    widths = [sum(p.width for p in row) + GAP * (len(row) - 1) for row in rows]
    sheet = Image.new("RGB", (max(widths), HEIGHT * len(rows) + GAP * (len(rows) - 1)), "white")
    for i, row in enumerate(rows):
        x = (sheet.width - widths[i]) // 2
        for picture in row:
            sheet.paste(picture, (x, i * (HEIGHT + GAP)))
            x += picture.width + GAP
    target = Path(__file__).parent / "images" / "demo.png"
    target.parent.mkdir(exist_ok=True)
    sheet.save(target, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo_output"))
