"""How pictures are shown to the model: ``--rgb``, ``--channels``, ``--low`` and their like."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from anymask.errors import AnymaskError, ExpressionError
from anymask.io.view import View

if TYPE_CHECKING:
    from anymask.images.recipes import Recipe

_PANEL = "How pictures are shown to the model"

RgbOption = Annotated[
    list[str] | None,
    typer.Option(
        "--rgb",
        metavar="R G B | INDEX",
        rich_help_panel=_PANEL,
        help="Of a spectral cube: three expressions over its bands for red, green and blue, such "
        'as "nm(860)" "nm(680)" "nm(550)" or "ch[12]" "ch[4] / ch[10:20]" "ch[0]"; one, shown in '
        "gray, such as ndvi; or truecolor, pca, mnf. NAME=R;G;B names one. May be given several "
        "times: each is segmented.",
    ),
]
ChannelsOption = Annotated[
    str | None,
    typer.Option(
        "--channels",
        metavar="LIST",
        rich_help_panel=_PANEL,
        help="Which channels are shown, by index from 0 or name: one in gray, three as red, green "
        "and blue, or any in colours, as in 0=cyan,2=#ff8800 or DAPI=blue,GFP=green.",
    ),
]
LowOption = Annotated[
    str | None,
    typer.Option(
        "--low",
        metavar="VALUE|PERCENT",
        rich_help_panel=_PANEL,
        help="What becomes black: a value or a percentile, 120 or 2%, or one for each channel with "
        "commas. 0.5% if not given, and nothing is stretched in 8-bit pictures.",
    ),
]
HighOption = Annotated[
    str | None,
    typer.Option(
        "--high",
        metavar="VALUE|PERCENT",
        rich_help_panel=_PANEL,
        help="What becomes white; 99.5% if not given.",
    ),
]
WindowOption = Annotated[
    str | None,
    typer.Option(
        "--window",
        metavar="LEVEL,WIDTH",
        rich_help_panel=_PANEL,
        help="The same as a window, as for CT: 40,400. DICOM files bring their own.",
    ),
]
GammaOption = Annotated[
    float,
    typer.Option(
        "--gamma",
        metavar="EXPONENT",
        rich_help_panel=_PANEL,
        help="Below 1 lifts the shadows.",
    ),
]
ZOption = Annotated[
    str | None,
    typer.Option(
        "--z",
        metavar="INDEX|middle|max|mean",
        rich_help_panel=_PANEL,
        help="Of a stack, the plane (from 0) or a projection.",
    ),
]
TOption = Annotated[
    str | None,
    typer.Option(
        "--t",
        metavar="INDEX|middle|max|mean",
        rich_help_panel=_PANEL,
        help="Of a film, the picture (from 0) or a projection.",
    ),
]
HeaderOption = Annotated[
    Path | None,
    typer.Option(
        "--header",
        metavar="FILE.hdr",
        rich_help_panel=_PANEL,
        help="The ENVI header of a data file that it does not lie beside.",
    ),
]


class CommandWithRgb(TyperCommand):
    """A command whose ``--rgb`` takes one word or three."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Join the expressions behind each ``--rgb`` before anything else is read."""
        return super().parse_args(ctx, joined_rgb(args))


def joined_rgb(arguments: list[str]) -> list[str]:
    """Join what stands behind ``--rgb`` to one word.

    After the first word two more belong to it if they can be read as expressions and no file is
    called so.

    Raises
    ------
    typer.BadParameter
        There are two.

    Examples
    --------
    >>> joined_rgb(["cube.hdr", "--rgb", "nm(860)", "nm(680)", "nm(550)", "-o", "out"])
    ['cube.hdr', '--rgb', 'nm(860);nm(680);nm(550)', '-o', 'out']
    >>> joined_rgb(["--rgb", "ndvi", "cube.hdr"])
    ['--rgb', 'ndvi', 'cube.hdr']
    """
    joined: list[str] = []
    at = 0
    while at < len(arguments):
        word = arguments[at]
        joined.append(word)
        at += 1
        if word == "--":
            return joined + arguments[at:]
        if word != "--rgb" or at == len(arguments):
            continue
        words = [arguments[at]]
        at += 1
        while ";" not in words[0] and len(words) < 3 and _is_expression(arguments[at : at + 1]):
            words.append(arguments[at])
            at += 1
        if len(words) == 2:
            raise typer.BadParameter(
                f"--rgb is followed by two expressions, {words[0]} and {words[1]}: give one (for "
                "gray) or three (for red, green and blue), and name only pictures that exist."
            )
        joined.append(";".join(words))
    return joined


def _is_expression(words: list[str]) -> bool:
    """Whether the one word can be read as an expression and is no file, folder or option."""
    from anymask.expressions import parse

    if not words or words[0].startswith("--"):
        return False
    try:
        parse(words[0], functions=("nm",))
    except ExpressionError:
        # Broken ones are told as such later, rather than taken for pictures.
        return words[0].startswith(("nm(", "ch["))
    short_option = len(words[0]) == 2 and words[0][0] == "-" and words[0][1].isalpha()
    return not short_option and not _exists(words[0])


def _exists(word: str) -> bool:
    try:
        return Path(word).exists()
    except (OSError, ValueError):  # too long for a name
        return False


def parse_view(
    rgb: list[str] | None,
    channels: str | None,
    low: str | None,
    high: str | None,
    window: str | None,
    gamma: float,
    z: str | None,
    t: str | None,
    header: Path | None,
) -> View:
    """Check the options of a command before anything slow begins.

    Raises
    ------
    AnymaskError
        One of them cannot be understood, or two exclude each other.
    """
    from anymask.images.contrast import Contrast
    from anymask.images.normalize import window_limits

    options: dict[str, Any] = {}
    if channels is not None:
        options.update(_channels(channels))
    if low is not None:
        options["low"] = _limits(low)
    if high is not None:
        options["high"] = _limits(high)
    if window is not None:
        if low is not None or high is not None:
            raise AnymaskError("--window says what --low and --high say; give one of them.")
        numbers = _numbers(window)
        if len(numbers) != 2:
            raise AnymaskError(
                f"--window {window!r} is not LEVEL,WIDTH; write for instance 40,400."
            )
        options["low"], options["high"] = window_limits((numbers[0], numbers[1]))
    if gamma != 1:
        options["gamma"] = gamma
    Contrast(options.get("low"), options.get("high"), gamma=gamma)
    if rgb and channels is not None:
        raise AnymaskError("--rgb and --channels both say what is shown; give one of them.")
    recipes = tuple(_recipes(rgb or []))
    planes = {name: _plane(name, text) for name, text in (("z", z), ("t", t)) if text is not None}
    return View(recipes, options, planes, header)


def _recipes(texts: list[str]) -> Iterator[Recipe]:
    from anymask.expressions import parse
    from anymask.images.recipes import check_names, recipe

    recipes = [recipe(text) for text in texts]
    check_names(recipes)
    for how in recipes:
        for text in how.source if how.method is None else ():
            # Names may be those of channels, which only the file tells; all else is told now.
            parse(text, functions=("nm",), indexed=("ch",))
        yield how


def _channels(text: str) -> dict[str, Any]:
    channels: list[int | str] = []
    colors: list[str] = []
    for part in text.split(","):
        name, _, color = part.partition("=")
        name, color = name.strip(), color.strip()
        if not name:
            raise AnymaskError(
                f"--channels {text!r} has an empty part; write for instance 0,2 or 0=cyan,2=red."
            )
        channels.append(int(name) if name.isascii() and name.isdigit() else name)
        if color:
            colors.append(color)
    if colors and len(colors) != len(channels):
        raise AnymaskError(
            f"--channels {text!r} gives {len(colors)} colours for {len(channels)} channels; give "
            "one for each, or none."
        )
    if not colors:
        return {"channels": channels}
    from anymask.images.composite import color_of

    for color in colors:
        color_of(color)
    return {"channels": channels, "colors": colors}


def _limits(text: str) -> Any:
    from anymask.images.contrast import parse_limit

    limits = [parse_limit(part) for part in text.split(",")]
    return limits[0] if len(limits) == 1 else limits


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        return []


def _plane(name: str, text: str) -> int | str:
    if text in ("max", "mean", "middle"):
        return text
    try:
        return int(text)
    except ValueError:
        raise AnymaskError(
            f"--{name} {text!r} is none of: an index from 0, middle, max, mean."
        ) from None
