"""``anymask edges``: where the masks of an image end."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import typer
from rich.text import Text

from anymask.cli.console import EXIT_SOME_FAILED, complain, errors_as_sentences, out
from anymask.cli.options import (
    DeviceOption,
    DtypeOption,
    ImagesArgument,
    ModelOption,
    OutputOption,
    OverwriteOption,
    load_model,
)
from anymask.cli.view import with_view
from anymask.errors import AnymaskError
from anymask.io.view import View
from anymask.jobs.inputs import gather


@errors_as_sentences
@with_view
def edges(
    images: ImagesArgument,
    output: OutputOption,
    points_per_side: Annotated[
        int, typer.Option(metavar="N", min=1, max=256, help="Points along each side of the grid.")
    ] = 16,
    wide: Annotated[
        bool, typer.Option("--wide", help="Do not thin edges to their ridges.")
    ] = False,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    overwrite: OverwriteOption = False,
    *,
    view: View,
) -> None:
    """Find the edges of one or many images.

    For each image NAME, OUT/NAME.edges.png has the strength of the edge at each pixel, from 0 to
    255. A grid of points is asked, and edges are where the masks end, as in the paper on Segment
    Anything (section D.2). Nothing was trained for this.

    ```
    anymask edges coffee.png -o edges/
    anymask edges photos/ -o edges/ --points-per-side 32 --wide
    ```
    """
    inputs = gather(images, view)

    # Imported late, so that help and mistakes in the command are answered at once.
    from PIL import Image

    from anymask.files import check_free, check_writable, whole_file
    from anymask.predict.edges import edge_map
    from anymask.predict.predictor import SamPredictor

    check_writable(output)
    paths = [output / f"{item.name}.edges.png" for item in inputs.items]
    for path in paths:
        check_free(path, overwrite)
    for _, reason in inputs.unusable:
        complain(reason)
    predictor = SamPredictor(load_model(model, device, dtype))
    failed = bool(inputs.unusable)
    for item, path in zip(inputs.items, paths, strict=True):
        try:
            rgb, _ = view.picture(view.image(item.path), item.recipe)
            found = edge_map(rgb, predictor, points_per_side=points_per_side, thin=not wide)
        except AnymaskError as error:
            complain(str(error))
            failed = True
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as part:
            Image.fromarray(np.rint(found * 255).astype(np.uint8)).save(part, format="PNG")
        out.print(Text(str(path)), soft_wrap=True)
    if failed:
        raise typer.Exit(EXIT_SOME_FAILED)
