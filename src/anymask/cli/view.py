"""Options for how images are shown to the model: ``--rgb``, ``--channels``, ``--low``, …."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from anymask.cli.option_parameters import taking
from anymask.cli.reading import numbers_in, parse_reading
from anymask.errors import AnymaskError, ExpressionError
from anymask.io.view import View

if TYPE_CHECKING:
    from anymask.images.recipes import Recipe

_PANEL = "How images are shown to the model"

RgbOption = Annotated[
    list[str] | None,
    typer.Option(
        "--rgb",
        metavar="R G B | INDEX",
        rich_help_panel=_PANEL,
        help="For spectral cubes: three band expressions for red, green and blue, such as "
        '"nm(860)" "nm(680)" "nm(550)" or "ch[12]" "ch[4] / ch[10:20]" "ch[0]"; one expression, '
        "shown in grey, such as ndvi; or truecolor, pca, mnf. NAME=R;G;B gives it a name. May be "
        "repeated; each one is segmented.",
    ),
]
ChannelsOption = Annotated[
    str | None,
    typer.Option(
        "--channels",
        metavar="LIST",
        rich_help_panel=_PANEL,
        help="Channels to show, by index from 0 or by name: one in grey, three as red, green and "
        "blue, or any number in colours, such as 0=cyan,2=#ff8800 or DAPI=blue,GFP=green.",
    ),
]
LowOption = Annotated[
    str | None,
    typer.Option(
        "--low",
        metavar="VALUE|PERCENT",
        rich_help_panel=_PANEL,
        help="Value or percentile shown as black, such as 120 or 2%, or one per channel with "
        "commas. [default: 0.5%; 8-bit images are not stretched]",
    ),
]
HighOption = Annotated[
    str | None,
    typer.Option(
        "--high",
        metavar="VALUE|PERCENT",
        rich_help_panel=_PANEL,
        help="Value or percentile shown as white, like --low. [default: 99.5%]",
    ),
]
WindowOption = Annotated[
    str | None,
    typer.Option(
        "--window",
        metavar="LEVEL,WIDTH",
        rich_help_panel=_PANEL,
        help="Level and width of a CT window instead of --low and --high, such as 40,400. "
        "[default for DICOM: the file's own]",
    ),
]
GammaOption = Annotated[
    float,
    typer.Option(
        "--gamma",
        metavar="EXPONENT",
        rich_help_panel=_PANEL,
        help="Gamma correction; below 1 brightens dark areas.",
    ),
]


class CommandWithRgb(TyperCommand):
    """A command whose ``--rgb`` takes one word or three."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Join the expressions after each ``--rgb`` before parsing."""
        return super().parse_args(ctx, joined_rgb(args))


def joined_rgb(arguments: list[str]) -> list[str]:
    """Join the expressions after each ``--rgb`` into one word.

    The two words after the first belong to it if they parse as expressions and no file has that
    name.

    Raises
    ------
    typer.BadParameter
        If there are exactly two expressions.

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
                f"--rgb is followed by two expressions, {words[0]} and {words[1]}; give one (for "
                "grey) or three (for red, green and blue), and name only images that exist."
            )
        joined.append(";".join(words))
    return joined


def _is_expression(words: list[str]) -> bool:
    """Whether the one word parses as an expression and is not a file, folder or option."""
    from anymask.expressions import parse

    if not words or words[0].startswith("--"):
        return False
    try:
        parse(words[0], functions=("nm",))
    except ExpressionError:
        # Reported as a broken expression later, rather than taken for a missing image.
        return words[0].startswith(("nm(", "ch["))
    short_option = len(words[0]) == 2 and words[0][0] == "-" and words[0][1].isalpha()
    return not short_option and not _exists(words[0])


def _exists(word: str) -> bool:
    try:
        return Path(word).exists()
    except (OSError, ValueError):  # too long for a name
        return False


def parse_view(
    rgb: RgbOption = None,
    channels: ChannelsOption = None,
    low: LowOption = None,
    high: HighOption = None,
    window: WindowOption = None,
    gamma: GammaOption = 1.0,
    **reading: Any,
) -> View:
    """Parse and check the view options before anything slow begins.

    Parameters
    ----------
    rgb, channels, low, high, window, gamma
        How an image is shown.
    **reading
        What is read of it, as for `parse_reading`.

    Raises
    ------
    AnymaskError
        If one cannot be parsed, or two cannot be combined.
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
            raise AnymaskError("--window sets the same limits as --low and --high; give one way.")
        numbers = numbers_in(window)
        if len(numbers) != 2:
            raise AnymaskError(
                f"--window {window!r} is not LEVEL,WIDTH; write for instance 40,400."
            )
        options["low"], options["high"] = window_limits((numbers[0], numbers[1]))
    if gamma != 1:
        options["gamma"] = gamma
    Contrast(options.get("low"), options.get("high"), gamma=gamma)
    if rgb and channels is not None:
        raise AnymaskError("--rgb and --channels cannot be combined; give one of them.")
    recipes = tuple(_recipes(rgb or []))
    return replace(parse_reading(**reading), recipes=recipes, options=options)


with_view = taking(parse_view, "view", parse_reading)
"""Gives a command the options of `parse_view`; it takes their result as `view`."""


def _recipes(texts: list[str]) -> Iterator[Recipe]:
    from anymask.expressions import parse
    from anymask.images.recipes import check_names, recipe

    recipes = [recipe(text) for text in texts]
    check_names(recipes)
    for how in recipes:
        for text in how.source if how.method is None else ():
            # Names may be channels, which only the file knows; other errors are raised now.
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
