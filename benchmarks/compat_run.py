"""One program in this process, on the wheel or on anymask; started by `benchmarks.compat`."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import sys
import time
import traceback
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.compat_programs import PROGRAMS, Setting


def main() -> None:
    """Run the program named on the command line; write its arrays, print a report."""
    name, kind, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    program = PROGRAMS[name]
    torch.manual_seed(0)
    try:
        versions = {needed: importlib.metadata.version(needed) for needed in program.needs}
    except importlib.metadata.PackageNotFoundError as error:
        print(json.dumps({"error": f"{error.name} is not installed"}))
        return
    report: dict[str, Any] = {"versions": versions}
    try:
        _prepare(kind)
        setting = Setting(str(folder / "sam_vit_b.pth"), _image(folder))
        clocks = time.perf_counter(), time.process_time()
        arrays = program.run(setting)
        report["seconds"] = time.perf_counter() - clocks[0]
        report["cpu_seconds"] = time.process_time() - clocks[1]
        np.savez(folder / f"{name}-{kind}.npz", **arrays)
    except Exception as error:
        traceback.print_exc()
        report["error"] = (
            f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        )
    print("\n" + json.dumps(report))


def _image(folder: Path) -> Any:
    from PIL import Image

    return np.array(Image.open(folder / "image.png"))


def _prepare(kind: str) -> None:
    """Put the package in place, and a ViT-B of two blocks into its registry."""
    _make_torchvision_importable()
    if kind == "anymask":
        from anymask.compat import install

        install(replace=True)
    else:
        from benchmarks.side_by_side.peers import metas_package

        metas_package()
    package = importlib.import_module("segment_anything")
    build = partial(
        importlib.import_module("segment_anything.build_sam")._build_sam, 768, 2, 12, [1]
    )
    package.sam_model_registry["vit_b"] = build
    if kind == "anymask":  # micro-sam takes the registry of mobile_sam where there is one
        importlib.import_module("mobile_sam").sam_model_registry["vit_b"] = build


def _make_torchvision_importable() -> None:
    """Torchvision's wheel is for one build of torch; with another, its own operator is missing.

    Non-maximum suppression is then that of `benchmarks.side_by_side.peers`, for both packages.
    """
    try:
        importlib.import_module("torchvision")
        return
    except ModuleNotFoundError:
        return
    except RuntimeError:
        for name in [n for n in sys.modules if n.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
    library = torch.library.Library("torchvision", "FRAGMENT")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    boxes = importlib.import_module("torchvision.ops.boxes")
    from benchmarks.side_by_side import peers

    boxes.batched_nms = peers._batched_nms
    globals()["_library"] = library  # it ends with its last reference


if __name__ == "__main__":
    main()
