"""The whole benchmark: which model, which parts, how thoroughly.

Imports no torch: each part runs in its own process.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Collection
from dataclasses import asdict
from pathlib import Path

from anymask.errors import AnymaskError
from anymask.model.config import VARIANTS, SamConfig, ViTConfig
from benchmarks.side_by_side.effort import (
    FULL,
    PARTS,
    QUICK,
    QUICK_VIT,
    RANDOM_THRESHOLDS,
    Effort,
)
from benchmarks.side_by_side.machine import machine, run_fresh, versions
from benchmarks.side_by_side.parts import MEASURES, METAS, TASKS, TRANSFORMERS, Setting
from benchmarks.side_by_side.report import Report

# A very large image takes minutes.
BY_DEFAULT = tuple(part for part in PARTS if part != "large")


def benchmark(
    model: str | os.PathLike[str] | SamConfig | None = None,
    *,
    random: bool = False,
    parts: Collection[str] | None = None,
    full: bool = False,
    threads: int | None = None,
    device: str = "auto",
    peers: bool = True,
    progress: Callable[[str], None] | None = None,
    effort: Effort | None = None,
) -> Report:
    """Measure how fast a model is on this machine.

    If Meta's `segment-anything` and `transformers` are installed and the model is a ViT, they are
    timed too, with the same weights and in turn. Each part runs in its own process.

    Parameters
    ----------
    model : str, path or SamConfig, optional
        As for `anymask.load`, the shipped model by default; or an architecture, with `random`.
    random : bool
        Draw random weights for a ViT ("vit_b", "vit_l", "vit_h", or an architecture) instead of
        downloading its own. The speed is the same, and its masks are regions of the image too.
    parts : collection of str, optional
        Some of `PARTS`: "start" (imports and the first mask), "encoder", "decoder" (64 prompts),
        "click", "after" (after the decoder), "everything" (with peak memory), "cold" (a whole
        process and the command), and "large" (an image of 10,000×10,000 pixels), which takes some
        minutes and is left out by default.
    full : bool
        Use 1,024 points for ViTs too, and more repetitions for all parts. With Meta's package this
        takes up to half an hour, otherwise about two minutes.
    threads : int, optional
        Number of threads; the default is torch's choice.
    device : str
        As for `anymask.load`.
    peers : bool
        Whether the other packages are timed, if installed.
    progress : callable, optional
        Called with lines that state the progress.
    effort : Effort, optional
        Overrides `full`.

    Returns
    -------
    Report
        ``print(report.table())`` shows it, `to_dict` is for files.

    Raises
    ------
    AnymaskError
        If the part or model does not exist, or a part fails.

    Examples
    --------
    >>> import anymask
    >>> report = anymask.benchmark(parts=["click"])
    >>> [row.key for row in report.rows]
    ['click']
    >>> report.rows[0].ours < 60_000  # milliseconds
    True
    """
    chosen = BY_DEFAULT if parts is None else parts
    for part in chosen:
        if part not in PARTS:
            raise AnymaskError(
                f"There is no part {part!r} of the benchmark; choose from {', '.join(PARTS)}."
            )
    if not chosen:
        raise AnymaskError(f"No part of the benchmark is chosen; choose from {', '.join(PARTS)}.")
    geometry = _random_geometry(model) if random or isinstance(model, SamConfig) else None
    say = progress or (lambda line: None)
    with tempfile.TemporaryDirectory(prefix="anymask-benchmark-") as name:
        folder = Path(name)
        source: str | None = str(folder / "random.safetensors")
        if geometry is None:
            assert not isinstance(model, SamConfig)
            source = None if model is None else os.fspath(model)
        most = effort or FULL
        say("Preparing …")
        config = {
            "model": source,
            "random": None if geometry is None else geometry.to_dict(),
            "device": device,
            "picture": str(folder / "picture.png"),
            "picture_size": most.picture_size,
            "large_picture": str(folder / "large.npy") if "large" in chosen else None,
            "large_side": most.large_side,
        }
        made = run_fresh(TASKS, "inputs", config, threads=threads)
        found = SamConfig.from_dict(made["config"])
        is_vit = isinstance(found.image_encoder, ViTConfig)
        setting = Setting(
            folder=folder,
            model=source,
            geometry=found,
            thresholds=asdict(found.everything) if geometry is None else RANDOM_THRESHOLDS,
            effort=effort or (FULL if full else QUICK_VIT if is_vit else QUICK),
            threads=threads,
            peers=_installed() if peers and made["has_peers"] else [],
            device=made["device"],
            fast_dtype=made["fast_dtype"],
            cpu_dtype=made["cpu_dtype"],
            say=say,
        )
        rows = tuple(row for part in PARTS if part in chosen for row in MEASURES[part](setting))
    where = {**machine(), "device": made["device_name"] or made["device"]}
    settings = {
        "model": found.name if geometry is None else f"{found.name}, random weights",
        "threads": made["threads"],
        "dtype": made["fast_dtype"],
        "thresholds": setting.thresholds,
        **asdict(setting.effort),
    }
    return Report(where, versions(), settings, rows)


def _random_geometry(model: str | os.PathLike[str] | SamConfig | None) -> SamConfig:
    geometry = model if isinstance(model, SamConfig) else VARIANTS.get(str(model))
    if geometry is None or not isinstance(geometry.image_encoder, ViTConfig):
        raise AnymaskError(
            f"Random weights exist for vit_b, vit_l and vit_h, not for {model or 'small'}; "
            "name one of them, or measure the model with its own weights."
        )
    return geometry


def _installed() -> list[str]:
    found = versions(METAS, TRANSFORMERS)
    return [name for name in (METAS, TRANSFORMERS) if name in found]
