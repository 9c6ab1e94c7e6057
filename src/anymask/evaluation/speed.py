"""Speed of one model on this machine, measured in about a minute.

`benchmarks/speed.py` in the repository compares speed with other packages, part by part.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from anymask.checkpoints import load
from anymask.errors import AnymaskError
from anymask.model.building import build_model
from anymask.model.config import VARIANTS
from anymask.model.sam import Sam
from anymask.predict.everything.generator import SamAutomaticMaskGenerator
from anymask.predict.predictor import SamPredictor

_REPEATS = 5
_SIZE = (900, 1200)  # of the image, in pixels


@dataclass(frozen=True)
class Speed:
    """What `benchmark` measured.

    Attributes
    ----------
    model, device, dtype : str
    threads : int
        Number of CPU threads.
    load_seconds : float
        From the file to a model that is ready to use.
    encode_ms, click_ms, box_ms : float
        Median times to encode one image, and to answer a click and a box in it.
    everything_seconds : float or None
        Time to find all masks of the image; None with random weights.
    masks : int or None
        Number of masks found.
    """

    model: str
    device: str
    dtype: str
    threads: int
    load_seconds: float
    encode_ms: float
    click_ms: float
    box_ms: float
    everything_seconds: float | None
    masks: int | None

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON-ready data."""
        return asdict(self)

    def table(self) -> str:
        """Return the figures as lines of text."""
        rows = [
            ("load the model", f"{self.load_seconds:.2f} s"),
            ("encode an image", f"{self.encode_ms:.0f} ms"),
            ("answer a click", f"{self.click_ms:.0f} ms"),
            ("answer a box", f"{self.box_ms:.0f} ms"),
        ]
        if self.everything_seconds is not None:
            rows.append((f"everything ({self.masks} masks)", f"{self.everything_seconds:.1f} s"))
        width = max(len(name) for name, _ in rows)
        head = f"{self.model}, {self.dtype}, {self.device}, {self.threads} CPU threads"
        return "\n".join([head, *(f"  {name.ljust(width)}  {value}" for name, value in rows)])


def benchmark(
    model: str | os.PathLike[str] | None = None,
    *,
    random: bool = False,
    threads: int | None = None,
    device: str = "auto",
    dtype: str = "auto",
) -> Speed:
    """Measure how fast a model is on this machine, in about a minute.

    Parameters
    ----------
    model : str or path, optional
        As `anymask.load` takes it; the shipped model by default.
    random : bool
        Give the named variant random weights instead of downloading its own. The speed is the
        same; "everything" is left out, because its time depends on the masks found.
    threads : int, optional
        Number of CPU threads; the default is PyTorch's choice.
    device, dtype : str
        As `anymask.load` takes them.

    Returns
    -------
    Speed

    Raises
    ------
    AnymaskError
        If the model cannot be loaded, or `random` is used with a name that is not a variant.

    Examples
    --------
    >>> import anymask
    >>> speed = anymask.benchmark(random=True)
    >>> speed.encode_ms < 60_000, speed.everything_seconds
    (True, None)
    """
    before = torch.get_num_threads()
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        began = time.perf_counter()
        sam = _random(model) if random else load(model, device=device, dtype=dtype)
        loaded = time.perf_counter() - began
        image = _image()
        predictor = SamPredictor(sam)
        encode = _median_ms(lambda: predictor.set_image(image), sam)
        box = np.array([300, 200, 700, 600])
        found = None if random else _everything(sam, image)
        return Speed(
            model="small" if model is None else os.fspath(model),
            device=str(sam.device),
            dtype=str(sam.dtype).removeprefix("torch."),
            threads=torch.get_num_threads(),
            load_seconds=loaded,
            encode_ms=encode,
            click_ms=_median_ms(lambda: predictor.predict([[500, 400]], [1]), sam),
            box_ms=_median_ms(lambda: predictor.predict(box=box, multimask_output=False), sam),
            everything_seconds=None if found is None else found[0],
            masks=None if found is None else found[1],
        )
    finally:
        torch.set_num_threads(before)


def _random(model: str | os.PathLike[str] | None) -> Sam:
    name = "small" if model is None else os.fspath(model)
    if name not in VARIANTS:
        raise AnymaskError(
            f"Random weights need the name of a variant, not {name!r}; the variants are "
            f"{', '.join(VARIANTS)}."
        )
    return build_model(VARIANTS[name]).eval()


def _image() -> NDArray[np.uint8]:
    """Disks of many sizes on an uneven background, so that there are objects everywhere."""
    rng = np.random.default_rng(0)
    height, width = _SIZE
    y, x = np.mgrid[:height, :width]
    image = (60 + 40 * np.sin(x / 97) + 40 * np.cos(y / 71))[..., None] + np.zeros(3)
    for _ in range(40):
        cx, cy, radius = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(15, 90)
        image[(x - cx) ** 2 + (y - cy) ** 2 < radius**2] = rng.uniform(0, 255, 3)
    return image.clip(0, 255).astype(np.uint8)


def _everything(sam: Sam, image: NDArray[np.uint8]) -> tuple[float, int]:
    began = time.perf_counter()
    masks = SamAutomaticMaskGenerator(sam).generate_masks(image)
    return time.perf_counter() - began, len(masks)


def _median_ms(call: Callable[[], Any], sam: Sam) -> float:
    """Median time of a call, after one warm-up call and with the device's queue empty."""
    times = []
    for _ in range(_REPEATS + 1):
        began = time.perf_counter()
        call()
        if sam.device.type == "cuda":
            torch.cuda.synchronize(sam.device)
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times[1:])
