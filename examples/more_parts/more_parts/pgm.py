"""PGM, the grey images of Netpbm, in 8 or 16 bits."""

from pathlib import Path

import numpy as np

from anymask import Image
from anymask.errors import ImageError
from anymask.io import ImageFormat


def read(path: Path) -> Image:
    """Read a binary PGM."""
    with path.open("rb") as file:
        header: list[bytes] = []
        while len(header) < 4 and (line := file.readline()):
            header += line.split(b"#")[0].split()
        if len(header) != 4 or header[0] != b"P5":
            raise ImageError(f"{path} is no binary PGM; save it again as P5.")
        width, height, largest = map(int, header[1:])
        values = np.frombuffer(file.read(), ">u2" if largest > 255 else "u1")
    return Image(values.reshape(height, width), "YX", path=path, name=path.stem)


def sniff(path: Path) -> bool:
    """Whether a file with an unknown suffix is a binary PGM."""
    with path.open("rb") as file:
        return file.read(2) == b"P5"


FORMAT = ImageFormat(name="PGM", suffixes=(".pgm",), read=read, sniff=sniff)
