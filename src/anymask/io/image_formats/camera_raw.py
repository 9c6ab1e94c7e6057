"""Camera RAW files, developed by rawpy with the camera's white balance."""

from __future__ import annotations

from pathlib import Path

from anymask.errors import ImageError
from anymask.images.image import Image
from anymask.io.arrays import name_of
from anymask.io.guards import needs
from anymask.io.image_formats.photo import check_pixels
from anymask.io.registry import ImageFormat


def read(path: Path) -> Image:
    """Develop an image: 16-bit RGB, upright, with the camera's white balance.

    Brightness is not adjusted automatically, so that images of a series stay comparable.

    Raises
    ------
    ImageError
        If the file is damaged, or from a camera that LibRaw does not know.
    """
    rawpy = needs("rawpy", "raw", f"Reading {path}")
    try:
        with rawpy.imread(str(path)) as raw:
            check_pixels(path, raw.sizes.width, raw.sizes.height)
            array = raw.postprocess(use_camera_wb=True, no_auto_bright=True, output_bps=16)
            metadata = {
                "format": "camera RAW",
                "camera_white_balance": tuple(map(float, raw.camera_whitebalance)),
            }
    except rawpy.LibRawError as error:
        reason = error.args[0] if error.args else error
        reason = reason.decode() if isinstance(reason, bytes) else str(reason)
        raise ImageError(
            f"{path} cannot be read as camera RAW ({reason}); it may be damaged, or from a camera "
            "that LibRaw does not know."
        ) from error
    return Image(array, "YXS", path=path, name=name_of(path), metadata=metadata)


FORMAT = ImageFormat(
    name="camera RAW",
    suffixes=(
        *(".arw", ".cr2", ".cr3", ".crw", ".dng", ".nef"),
        *(".nrw", ".orf", ".pef", ".raf", ".rw2", ".srw"),
    ),
    read=read,
    rank=90,  # a developed photograph beside a RAW file is preferred
)
