"""SVG, with one path per mask, for drawing programs and web pages."""

from html import escape
from pathlib import Path

from anymask import MaskSet
from anymask.files import whole_file
from anymask.io import MaskFormat, WriteContext
from anymask.masks.polygons import outlines


def write(path: Path, masks: MaskSet, context: WriteContext) -> list[Path]:
    """Write the outlines of all masks, holes included."""
    height, width = masks.image_size
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">',
        f"<title>{escape(context.image_name)}</title>",
    ]
    for index, polygons in outlines(masks):
        rings = [" ".join(f"{x},{y}" for x, y in ring) for rings in polygons for ring in rings]
        shape = " ".join(f"M{ring}Z" for ring in rings)
        name = escape(masks.class_names[index] if masks.class_names else "")
        lines.append(f'<path id="mask-{masks.ids[index]}" class="{name}" d="{shape}"/>')
    with whole_file(path) as part:
        part.write_text("\n".join([*lines, "</svg>\n"]), encoding="utf-8")
    return [path]


FORMAT = MaskFormat(
    name="svg",
    title="outlines as SVG",
    suffixes=(".svg",),
    write=write,
    keeps_empty=False,
)
