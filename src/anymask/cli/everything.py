"""``anymask everything``: every object in every picture, written to a folder."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from anymask.cli.console import EXIT_SOME_FAILED, complain, ends_in_a_sentence, err
from anymask.cli.inputs import gather
from anymask.cli.options import (
    DeviceOption,
    DtypeOption,
    ModelOption,
    OutputOption,
    OverwriteOption,
    load_model,
)
from anymask.cli.replacing import check_replacing
from anymask.cli.view import (
    ChannelsOption,
    GammaOption,
    HeaderOption,
    HighOption,
    LowOption,
    RgbOption,
    TOption,
    WindowOption,
    ZOption,
    parse_view,
)
from anymask.errors import AnymaskError, ImageError

_GRID = "Grid of points"
_FILTER = "Which masks to keep"
_CROPS = "Crops, for small objects in large pictures"
_TILES = "Tiles, for very large pictures"


@ends_in_a_sentence
def everything(
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGES",
            help="Pictures: files, folders, or patterns in quotes such as 'scans/**/*.tif'.",
            show_default=False,
        ),
    ],
    output: OutputOption,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    skip_existing: Annotated[
        bool,
        typer.Option(
            "--skip-existing",
            help="Leave out pictures whose results are all there already, made from this very "
            "file with the same model and options. A stopped run is taken up again this way.",
        ),
    ] = False,
    overwrite: OverwriteOption = False,
    compiled: Annotated[
        bool,
        typer.Option(
            "--compile",
            help="Compile the network first, which takes a minute or so and pays in long runs. "
            "Needs a C++ compiler.",
        ),
    ] = False,
    rgb: RgbOption = None,
    channels: ChannelsOption = None,
    low: LowOption = None,
    high: HighOption = None,
    window: WindowOption = None,
    gamma: GammaOption = 1.0,
    z: ZOption = None,
    t: TOption = None,
    header: HeaderOption = None,
    points_per_side: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            rich_help_panel=_GRID,
            help="Ask at this many points along each side. More points find smaller objects and "
            "take longer.",
        ),
    ] = None,
    points_per_batch: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            rich_help_panel=_GRID,
            help="Points decoded at once. Fewer take less memory; the masks are the same.",
        ),
    ] = None,
    pred_iou_thresh: Annotated[
        float | None,
        typer.Option(
            metavar="IOU",
            min=0,
            max=1,
            rich_help_panel=_FILTER,
            help="Drop masks whose quality the model predicts below this.",
        ),
    ] = None,
    stability_score_thresh: Annotated[
        float | None,
        typer.Option(
            metavar="IOU",
            min=0,
            max=1,
            rich_help_panel=_FILTER,
            help="Drop masks that change more than this allows when the cut-off moves.",
        ),
    ] = None,
    stability_score_offset: Annotated[
        float | None,
        typer.Option(
            metavar="LOGITS",
            min=0,
            rich_help_panel=_FILTER,
            help="How far the cut-off is moved for that, in logits.",
        ),
    ] = None,
    box_nms_thresh: Annotated[
        float | None,
        typer.Option(
            metavar="IOU",
            min=0,
            max=1,
            rich_help_panel=_FILTER,
            help="Of two masks that overlap more than this (IoU), keep the better.",
        ),
    ] = None,
    nms_by: Annotated[
        Literal["box", "mask"] | None,
        typer.Option(
            rich_help_panel=_FILTER,
            help="Whether that is the overlap of their boxes or of the masks themselves.",
        ),
    ] = None,
    min_mask_region_area: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            min=0,
            rich_help_panel=_FILTER,
            help="Fill holes and remove islands of fewer pixels than this.",
        ),
    ] = None,
    max_mask_share: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            min=0,
            max=1,
            rich_help_panel=_FILTER,
            help="Leave out masks that cover more than this share of the picture.",
        ),
    ] = None,
    crop_n_layers: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            rich_help_panel=_CROPS,
            help="Also look at crops: 1 adds 4 of them, 2 adds 4 + 16, and so on.",
        ),
    ] = None,
    crop_nms_thresh: Annotated[
        float | None,
        typer.Option(
            metavar="IOU",
            min=0,
            max=1,
            rich_help_panel=_CROPS,
            help="As --box-nms-thresh, between masks of different crops.",
        ),
    ] = None,
    crop_overlap_ratio: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            min=0,
            max=1,
            rich_help_panel=_CROPS,
            help="Overlap of crops, of the shorter side.",
        ),
    ] = None,
    crop_n_points_downscale_factor: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            rich_help_panel=_CROPS,
            help="Divide the points per side by this in each further layer.",
        ),
    ] = None,
    tile_size: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            min=2,
            rich_help_panel=_TILES,
            help="Segment pictures larger than this in square tiles with sides of so many pixels, "
            "each asked at its own grid of points, and join what the edges of tiles cut.",
        ),
    ] = None,
    tile_overlap: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            min=1,
            rich_help_panel=_TILES,
            help="What neighbouring tiles have in common at least; objects smaller than this are "
            "seen whole by one of them. An eighth of --tile-size if not given.",
        ),
    ] = None,
) -> None:
    """Segment every object in one or many pictures.

    For each picture NAME.png four files are written to OUT:

    - NAME.overlay.png, to look at
    - NAME.labels.tif, one id a pixel
    - NAME.masks.csv, one row a mask
    - NAME.masks.json, COCO format

    Results of the same NAME that are there already are replaced only if you agree, or with
    --overwrite.

    Pictures that a pattern finds in subfolders keep their subfolder. Pictures that would share a
    NAME keep their suffix (a.png.labels.tif, a.jpg.labels.tif) or get their folder before it.

    With --rgb each pseudo-RGB of each picture is segmented by itself, and its results are called
    NAME.RGB, after both.

    A picture that cannot be read is reported and the others go on; the exit code is then 1.
    Ctrl-C stops with exit code 130, and what is finished stays.

    Options that are not given are the model's own; for Meta's models --points-per-side 32,
    --pred-iou-thresh 0.88, --stability-score-thresh 0.95 and --box-nms-thresh 0.7.

    One picture; a folder, taken up where it was stopped; small objects; a scan of many thousand
    pixels a side; a spectral cube seen in two ways; two channels of fluorescence:

    ```
    anymask everything coffee.png -o masks/
    anymask everything photos/ -o masks/ --skip-existing
    anymask everything 'scans/**/*.tif' -o masks/ --points-per-side 64
    anymask everything slide.tif -o masks/ --tile-size 2048
    anymask everything cube.hdr -o masks/ --rgb "nm(860)" "nm(680)" "nm(550)" --rgb ndvi
    anymask everything cells.ome.tif -o masks/ --channels 0=blue,1=green --z max
    ```
    """
    options = {
        "points_per_side": points_per_side,
        "points_per_batch": points_per_batch,
        "pred_iou_thresh": pred_iou_thresh,
        "stability_score_thresh": stability_score_thresh,
        "stability_score_offset": stability_score_offset,
        "box_nms_thresh": box_nms_thresh,
        "nms_by": nms_by,
        "min_mask_region_area": min_mask_region_area,
        "max_mask_share": max_mask_share,
        "crop_n_layers": crop_n_layers,
        "crop_nms_thresh": crop_nms_thresh,
        "crop_overlap_ratio": crop_overlap_ratio,
        "crop_n_points_downscale_factor": crop_n_points_downscale_factor,
        "tile_size": tile_size,
        "tile_overlap": tile_overlap,
    }
    given = {name: value for name, value in options.items() if value is not None}

    view = parse_view(rgb, channels, low, high, window, gamma, z, t, header)
    inputs = gather(images)
    if not inputs.pictures:
        raise ImageError(
            " ".join(reason for _, reason in inputs.unusable)
            or "All of these are results that anymask wrote; name the pictures themselves."
        )
    if inputs.own_results:
        err.print(f"Left out {inputs.own_results} files that anymask wrote (overlays, labels).")
    if tile_overlap is not None and tile_size is None:
        raise AnymaskError("--tile-overlap is given without tiles; give --tile-size as well.")
    if header is not None and len(inputs.pictures) > 1:
        raise AnymaskError(
            f"--header is for one data file, and {len(inputs.pictures)} pictures are given; put "
            "headers beside their data, or segment one at a time."
        )

    # Only now, so that help and mistakes in the command are answered at once.
    from anymask.cli.folder_run import FolderRun
    from anymask.files import check_writable

    check_writable(output)
    run = FolderRun(output, model or "small", given, view, skip_existing=skip_existing)
    for argument, reason in inputs.unusable:
        complain(reason)
        run.failed(argument)
    wanted = [p for picture in inputs.pictures for p in picture.with_recipes(view.recipes)]
    todo = [picture for picture in wanted if not run.is_done(picture)]
    keep = "" if skip_existing else "keep those made the same way with --skip-existing, "
    check_replacing([output / picture.name for picture in todo], overwrite, keep)
    try:
        if todo:
            run.segment(todo, lambda: load_model(model, device, dtype, compiled))
    finally:
        run.print_summary()
    if run.failures:
        raise typer.Exit(EXIT_SOME_FAILED)
