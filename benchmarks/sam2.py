"""Speed and memory of SAM 2, compared with `transformers` (sdpa) in the same run.

    python -m benchmarks.sam2                              # SAM 2.1 tiny: encoder, tracked frame
    python -m benchmarks.sam2 --size large --only encoder
    python -m benchmarks.sam2 --only memory --frames 1000  # peak memory of a long video
    python -m benchmarks.sam2 --only memory --side 256     # with a smaller input, in less time

Both have the same random weights and take turns in one process, after one warm-up run. Times are
wall-clock seconds and CPU seconds of all threads, which other work on the machine disturbs less;
ratios are of the medians. Memory is the kernel's `VmHWM` above that of the loaded model, while one
object is followed through frames of 1080p that are drawn when they are read. Prints a table and
writes results/sam2.json; measurements of earlier runs that this one does not repeat stay.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from anymask.checkpoints import load
from anymask.files import whole_file
from anymask.model.config import VARIANTS, Sam2Config
from anymask.model.sam2.sam2 import Sam2
from anymask.tracking import SamTracker
from benchmarks.side_by_side.machine import machine
from benchmarks.side_by_side.sam2_peer import video_model

RESULT = Path(__file__).parent / "results" / "sam2.json"
PARTS = ("encoder", "frame", "memory")


def models(size: str, side: int, with_theirs: bool) -> tuple[Sam2, Any]:
    """SAM 2.1 with random weights, and theirs with the same."""
    torch.manual_seed(0)
    config = replace(VARIANTS[f"sam2.1_hiera_{size}"], image_size=side)
    assert isinstance(config, Sam2Config)
    if not with_theirs:
        return Sam2(config).eval(), None
    theirs = video_model(config)
    with tempfile.TemporaryDirectory() as folder:
        theirs.save_pretrained(folder)
        ours = load(folder, device="cpu", dtype="float32")
    assert isinstance(ours, Sam2)
    return ours, theirs


def in_turns(calls: dict[str, Callable[[], Any]], repeats: int) -> dict[str, dict[str, float]]:
    """Median wall-clock and CPU seconds of each call, after one warm-up."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for turn in range(repeats + 1):
        for name, call in calls.items():
            wall, cpu = time.perf_counter(), time.process_time()
            call()
            took = time.perf_counter() - wall, time.process_time() - cpu
            if turn:
                found[name].append(took)
    return {
        name: {
            "seconds": statistics.median(wall for wall, _ in times),
            "cpu_seconds": statistics.median(cpu for _, cpu in times),
        }
        for name, times in found.items()
    }


@torch.inference_mode()
def encoder(model: Sam2, theirs: Any, repeats: int) -> dict[str, Any]:
    """The image encoder, with the projections of the finer maps."""
    side = model.config.image_size
    pixels = torch.from_numpy(np.random.default_rng(1).standard_normal((1, 3, side, side))).float()
    ours = model.encode_frame(pixels).embedding
    wanted = theirs.get_image_features(pixels)[0][-1].permute(1, 2, 0).view_as(ours)
    times = in_turns(
        {
            "anymask": lambda: model.encode_frame(pixels),
            "transformers": lambda: theirs.get_image_features(pixels),
        },
        repeats,
    )
    return {**times, "relative_l2": float((ours - wanted).norm() / wanted.norm())}


@torch.inference_mode()
def tracked_frame(model: Sam2, theirs: Any, repeats: int) -> dict[str, Any]:
    """A frame of one object with a full memory: encoding, memory attention, mask, remembering."""
    from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

    side = model.config.image_size
    memory = model.config.memory
    assert memory is not None
    # Each turn follows one frame further, with as much to remember as there can be.
    frames = np.random.default_rng(2).integers(0, 255, (memory.frames + repeats + 2, side, side, 3))
    video = frames.astype(np.uint8)
    tracker = SamTracker(model)
    tracker.start(video)
    click = [side * 0.4, side * 0.5]
    tracker.add(0, 1, point_coords=[click], point_labels=[1])
    pixels = model.preprocess(torch.from_numpy(video).permute(0, 3, 1, 2))
    session = Sam2VideoInferenceSession(pixels, side, side, dtype=torch.float32)
    coords = torch.tensor([[[click]]])
    number = session.obj_id_to_idx(1)
    inputs = {"point_coords": coords, "point_labels": torch.ones(1, 1, 1).long()}
    session.add_point_inputs(number, 0, inputs)
    session.obj_with_new_inputs.append(1)
    theirs(session, frame_idx=0)
    own, other = tracker.propagate(), theirs.propagate_in_video_iterator(session)
    for _ in range(memory.frames):
        next(own)
        next(other)
    last: dict[str, Any] = {}
    times = in_turns(
        {
            "anymask": lambda: last.update(ours=next(own).low_res),
            "transformers": lambda: last.update(theirs=next(other).pred_masks[:, 0]),
        },
        repeats,
    )
    ours, wanted = torch.from_numpy(last["ours"]), last["theirs"]
    return {**times, "relative_l2": float((ours - wanted).norm() / wanted.norm())}


class DrawnFrames:
    """Frames of 1080p with a moving disc, drawn when they are read."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._y, self._x = np.ogrid[:1080, :1920]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        frame = np.full((1080, 1920, 3), 60, np.uint8)
        disc = (self._x - 400 - index) ** 2 + (self._y - 500) ** 2 < 150**2
        frame[disc] = (220, 90, 40)
        return frame


def memory_of_a_long_video(model: Sam2, count: int) -> dict[str, Any]:
    """Peak memory above the loaded model, at some frames on the way."""
    before = _peak_bytes(reset=True)
    tracker = SamTracker(model)
    tracker.start(DrawnFrames(count))
    tracker.add(0, 1, box=[250, 350, 550, 650])
    peaks: dict[str, float] = {}
    wanted = {count // 8, count // 4, count // 2, count - 1}
    start = time.perf_counter()
    for each in tracker.propagate():
        if each.frame in wanted:
            peaks[str(each.frame + 1)] = round((_peak_bytes() - before) / 1e6)
    return {
        "frames": count,
        "peak_mb_after_frames": peaks,
        "seconds_a_frame": (time.perf_counter() - start) / count,
    }


def _peak_bytes(reset: bool = False) -> int:
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return 1024 * int(next(x for x in status.splitlines() if x.startswith("VmHWM")).split()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="tiny", help="tiny, small, base_plus or large")
    parser.add_argument("--side", type=int, default=1024, help="side of the encoder's input")
    parser.add_argument("--only", help=f"single parts of {', '.join(PARTS)}, with commas")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--frames", type=int, default=1000, help="of the long video")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    parts = options.only.split(",") if options.only else PARTS
    with_theirs = bool({*parts} & {"encoder", "frame"})
    model, theirs = models(options.size, options.side, with_theirs)
    found: dict[str, Any] = {}
    if "memory" in parts:
        found["memory"] = memory_of_a_long_video(model, options.frames)
    if "encoder" in parts:
        found["encoder"] = encoder(model, theirs, options.repeats)
    if "frame" in parts:
        found["frame"] = tracked_frame(model, theirs, options.repeats)
    rows = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    for part, row in found.items():
        _print(part, row)
        name = f"{options.size}, {options.side} pixels, {part}"
        rows[name] = {**row, "threads": options.threads, "machine": machine()}
    with whole_file(RESULT) as temporary:
        temporary.write_text(json.dumps(rows, indent=1) + "\n")


def _print(part: str, row: dict[str, Any]) -> None:
    if "transformers" not in row:
        print(part, row)
        return
    ours, theirs = row["anymask"], row["transformers"]
    print(
        f"{part}: {ours['seconds']:.2f} s and {ours['cpu_seconds']:.2f} CPU s; transformers "
        f"{theirs['seconds']:.2f} s and {theirs['cpu_seconds']:.2f} CPU s; "
        f"{theirs['cpu_seconds'] / ours['cpu_seconds']:.2f}× by CPU, "
        f"{theirs['seconds'] / ours['seconds']:.2f}× by wall; "
        f"relative L2 {row['relative_l2']:.1e}"
    )


if __name__ == "__main__":
    main()
