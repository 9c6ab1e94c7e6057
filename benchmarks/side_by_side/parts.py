"""The parts of the benchmark: what each measures, and its rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from anymask.model.config import SamConfig, ViTConfig
from benchmarks.side_by_side.agreement import compare_masks
from benchmarks.side_by_side.effort import Effort
from benchmarks.side_by_side.machine import run_command, run_fresh
from benchmarks.side_by_side.report import Row

TASKS = "benchmarks.side_by_side.tasks"
METAS, TRANSFORMERS = "segment-anything", "transformers"


@dataclass(frozen=True)
class Setting:
    """What is measured, where, how thoroughly, and the folder for files."""

    folder: Path
    model: str | None
    geometry: SamConfig
    thresholds: dict[str, float]
    effort: Effort
    threads: int | None
    peers: list[str]
    device: str
    fast_dtype: str
    cpu_dtype: str
    say: Callable[[str], None]

    @property
    def name(self) -> str:
        """The name of the model in tables."""
        return self.geometry.name

    @property
    def dtypes(self) -> list[str]:
        """The dtype of "auto", and float32."""
        return list(dict.fromkeys((self.fast_dtype, "float32")))

    @property
    def picture(self) -> Path:
        """The image file."""
        return self.folder / "picture.png"

    @property
    def large_picture(self) -> Path:
        """The file of the very large image."""
        return self.folder / "large.npy"

    @property
    def everything(self) -> dict[str, Any]:
        """Options of "everything"."""
        return {"points_per_side": self.effort.points_per_side, **self.thresholds}

    @property
    def points(self) -> str:
        """The number of points of "everything"."""
        return f"{self.effort.points_per_side**2:,} points"

    def run(self, task: str, label: str, **more: Any) -> dict[str, Any]:
        """Run a task in its own process; `process_seconds` is its duration."""
        self.say(f"{label} …")
        began = time.monotonic()
        config = {
            "picture": str(self.picture),
            "large_picture": str(self.large_picture),
            "model": self.model,
            "config": self.geometry.to_dict(),
            "device": self.device,
            "fast_dtype": self.fast_dtype,
            "cpu_dtype": self.cpu_dtype,
            "peers": self.peers,
            "prompts": self.effort.prompts,
            "repeats": self.effort.repeats,
            "settings": {**self.everything, "output_mode": "uncompressed_rle"},
            "started": began,
            **more,
        }
        result = run_fresh(TASKS, task, config, self.say, label, self.threads)
        result["process_seconds"] = time.monotonic() - began
        self.say(f"  done after {result['process_seconds']:.0f} s")
        return result

    def command(self, label: str, picture: Path, **options: Any) -> dict[str, float | None]:
        """Run ``anymask everything`` on an image file."""
        self.say(f"{label} …")
        arguments = ["everything", str(picture), "--out", str(self.folder / "results")]
        arguments += ["--overwrite"]
        arguments += ["--device", self.device]
        arguments += ["--model", self.model] if self.model is not None else []
        for name, value in {**self.everything, **options}.items():
            arguments += [f"--{name.replace('_', '-')}", str(value)]
        result = run_command(arguments, self.threads)
        self.say(f"  done after {result['seconds']:.0f} s")
        return result


def start(setting: Setting) -> Iterator[Row]:
    """Imports, and the time from a cold start to the first mask of an image file."""
    imports = [
        setting.run("package", "Import of the package") for _ in range(setting.effort.starts)
    ]
    note = "imports torch" if any(run["imports_torch"] for run in imports) else "without torch"
    yield Row(
        "import_package",
        "import anymask",
        "ms",
        1000 * median(run["seconds"] for run in imports),
        note=note,
        details={"runs": imports},
    )
    runs = [
        setting.run("start", "From a cold start to a mask") for _ in range(setting.effort.starts)
    ]
    steps = ("import_and_read", "load", "encode", "predict")
    medians = {step: median(run[f"{step}_seconds"] for run in runs) for step in steps}
    yield Row(
        "first_mask",
        f"cold start to the first mask, {setting.name}",
        "s",
        median(run["seconds"] for run in runs),
        cpu_ours=median(run["cpu_seconds"] for run in runs),
        note=", ".join(f"{step.replace('_', ' ')} {s:.2f} s" for step, s in medians.items()),
        details={"runs": runs},
    )


def encoder(setting: Setting) -> Iterator[Row]:
    """The image encoder, in the fast dtype and in float32."""
    found = setting.run("encoder", "Encoder")
    for dtype in setting.dtypes:
        error = found["agreement"][dtype]
        reference = "Meta's" if METAS in setting.peers else "float32's"
        note = "" if error is None else f"relative L2 {error:.1e} of {reference}"
        what = f"encoder, {setting.name}, {dtype}"
        yield _timed_row(f"encoder_{dtype}", what, found, dtype, note)


def decoder(setting: Setting) -> Iterator[Row]:
    """The mask decoder for many points of one image."""
    found = setting.run("decoder", "Decoder")
    for dtype in setting.dtypes:
        error = found["agreement"][dtype]
        reference = "Meta's" if METAS in setting.peers else "float32's"
        note = ""
        if error is not None:
            measure = "relative L2 {:.1e} of" if dtype == "float32" else "mean mask IoU {:.4f} with"
            note = f"{measure.format(error)} {reference}"
        what = f"decoder, {setting.effort.prompts} prompts, {setting.name}, {dtype}"
        yield _timed_row(f"decoder_{dtype}", what, found, dtype, note)


def click(setting: Setting) -> Iterator[Row]:
    """One click on an encoded image."""
    found = setting.run("click", "A click")
    spent = found["times"]["anymask"]
    yield Row(
        "click",
        f"click, {setting.name}, {found['dtype']}",
        "ms",
        1000 * spent["seconds"],
        cpu_ours=1000 * spent["cpu_seconds"],
        note="one point, three masks of the picture's size",
        details=found,
    )


def after(setting: Setting) -> Iterator[Row]:
    """Everything after the decoder, from the same logits."""
    found = setting.run("after", "After the decoder")
    note = f"{found['masks']} masks of {found['candidates']} candidates"
    if "identical" in found:
        note += f", {found['identical']} identical to Meta's {found['their_masks']} at every pixel"
    what = f"after the decoder, {setting.points}"
    yield _timed_row("after", what, found, "anymask", note)


def everything(setting: Setting) -> Iterator[Row]:
    """Everything in an image: time, and memory above that of the loaded model."""
    wanted = [("anymask", dtype) for dtype in setting.dtypes]
    wanted += [(METAS, "float32")] if METAS in setting.peers else []
    runs = {
        (implementation, dtype): setting.run(
            "everything",
            f"Everything: {implementation}, {dtype}",
            implementation=implementation,
            dtype=dtype,
            masks=str(_masks(setting, implementation, dtype)),
            repeats=setting.effort.repeats if dtype != "float32" else 1,
        )
        for implementation, dtype in wanted
    }
    theirs = runs.get((METAS, "float32"), {})
    for dtype in setting.dtypes:
        ours = runs["anymask", dtype]
        yield Row(
            f"everything_{dtype}",
            f"everything, {setting.points}, {setting.name}, {dtype}",
            "s",
            ours["seconds"],
            theirs.get("seconds"),
            cpu_ours=ours["cpu_seconds"],
            cpu_metas=theirs.get("cpu_seconds"),
            note=f"{ours['masks']} masks{_compared(setting, dtype, bool(theirs))}",
            details={"anymask": ours, METAS: theirs},
        )
        yield Row(
            f"memory_{dtype}",
            f"peak memory of that above the model, {dtype}",
            "MB",
            ours["peak_above_loaded_mb"],
            theirs.get("peak_above_loaded_mb"),
        )


def _masks(setting: Setting, implementation: str, dtype: str) -> Path:
    return setting.folder / f"{implementation}-{dtype}.npz"


def _compared(setting: Setting, dtype: str, with_metas: bool) -> str:
    ours = _masks(setting, "anymask", dtype)
    if dtype != "float32":
        peer, name = _masks(setting, "anymask", "float32"), "those of float32"
    elif with_metas:
        peer, name = _masks(setting, METAS, "float32"), "Meta's"
    else:
        return ""
    found = compare_masks(ours, peer)
    note = f"; {found['identical']} identical to {name} ({found['theirs']}) at every pixel"
    if found["lowest_iou"] is not None:
        differ = found["ours"] - found["identical"]
        note += (
            f", {differ} differ, {found['similar']} of them with an IoU of at least 0.95 "
            f"(lowest {found['lowest_iou']:.5f})"
        )
    return note


def cold(setting: Setting) -> Iterator[Row]:
    """A whole process, and the whole command including its output files."""
    runs = [
        setting.run("cold", "Everything from a cold start") for _ in range(setting.effort.starts)
    ]
    loaded = median(run["until_loaded_seconds"] for run in runs)
    yield Row(
        "cold",
        f"whole process from cold, {setting.name}, {setting.points}",
        "s",
        median(run["process_seconds"] for run in runs),
        cpu_ours=median(run["cpu_seconds"] for run in runs),
        note=f"{loaded:.1f} s until the model is loaded, {runs[0]['masks']} masks",
        details={"runs": runs},
    )
    commands = [
        setting.command("The command from a cold start", setting.picture)
        for _ in range(setting.effort.starts)
    ]
    yield _command_row(
        "cold_command",
        f"anymask everything, {setting.name}, {setting.points}",
        "s",
        commands,
        "from a picture file to four files of results",
    )


def large(setting: Setting) -> Iterator[Row]:
    """Everything in a very large image, as a whole; with a fast model also in tiles."""
    side, tile_size = setting.effort.large_side, setting.effort.tile_size
    kinds: list[tuple[str, str, dict[str, Any]]] = [("whole", "whole", {})]
    if not isinstance(setting.geometry.image_encoder, ViTConfig):
        kinds.append(("tiles", f"tiles of {tile_size}", {"tile_size": tile_size}))
    for key, how, options in kinds:
        label = f"{side:,}×{side:,} pixels, {how}, {setting.name}"
        found = setting.run("large", label, settings={**setting.everything, **options})
        yield Row(
            f"large_{key}",
            f"peak of the process, {label}",
            "MB",
            found["peak_mb"],
            note=f"{found['seconds']:.0f} s, {found['masks']} masks",
            details=found,
        )
    run = setting.command(
        f"The command: {side:,}×{side:,} pixels, whole, {setting.name}", setting.large_picture
    )
    yield _command_row(
        "large_command",
        f"peak of anymask everything, {side:,}×{side:,} pixels, {setting.name}",
        "MB",
        [run],
        f"{run['seconds']:.0f} s, with the files it writes",
    )


def _command_row(
    key: str, what: str, unit: str, runs: list[dict[str, float | None]], note: str
) -> Row:
    def middle(name: str) -> float | None:
        values = [value for run in runs if (value := run[name]) is not None]
        return median(values) if values else None

    amount = middle("seconds" if unit == "s" else "peak_mb")
    cpu = middle("cpu_seconds") if unit == "s" else None
    return Row(key, what, unit, amount, cpu_ours=cpu, note=note, details={"runs": runs})


def _timed_row(key: str, what: str, found: dict[str, Any], ours: str, note: str) -> Row:
    times = found["times"]

    def seconds(name: str, clock: str = "seconds") -> float | None:
        return times[name][clock] if name in times else None

    return Row(
        key,
        what,
        "s",
        seconds(ours),
        seconds(METAS),
        seconds(TRANSFORMERS),
        cpu_ours=seconds(ours, "cpu_seconds"),
        cpu_metas=seconds(METAS, "cpu_seconds"),
        note=note,
        details=found,
    )


MEASURES: dict[str, Callable[[Setting], Iterator[Row]]] = {
    measure.__name__: measure
    for measure in (start, encoder, decoder, click, after, everything, cold, large)
}
"""For each part, a function that yields its rows as they are measured."""
