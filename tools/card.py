"""Write measured figures into the model card of the shipped model.

Usage: python -m tools.card [benchmarks/results/shipped_model.json]

The figures come from `benchmarks/shipped_model.py`, measured with the shipped weights; views and
hours come from the metadata of the weights.

The script replaces the text between `<!-- begin NAME -->` and `<!-- end NAME -->` in the card, for
the names "figures" and "everything", and the lines "Compute" and "Figures" of the table that
`anymask info` prints. All other text is written by hand.
"""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open
from tools.tune_shipped import COMPLETE

from anymask.evaluation.records import mean_over_sets
from anymask.files import sha256
from anymask.model.config import EverythingConfig

ROOT = Path(__file__).parents[1]
WEIGHTS = ROOT / "src" / "anymask" / "checkpoints" / "weights"
SHIPPED = WEIGHTS / "small.safetensors"
CARD = WEIGHTS / "small.md"
RESULTS = ROOT / "benchmarks" / "results" / "shipped_model.json"
MEAN = "mean over sets"
NEVER_TRAINED_ON = ("carrot_weeds", "crackforest", "cwfid_weeds")

MODEL = {
    "click1_single": "1 click",
    "click1_predicted": "best by score",
    "click1_oracle": "best of 3",
    "click3": "3 clicks",
    "click5": "5 clicks",
    "box": "box",
    "boundary_f_box": "boundary F, box",
    "iou_calibration_error": "IoU error",
}
BASELINES = {
    "grabcut_box": "GrabCut (box)",
    "ellipse": "ellipse (box)",
    "filled_box": "filled box",
    "grabcut_click": "GrabCut (click)",
    "flood_fill": "flood fill (click)",
    "random_walker": "random walker (click)",
}
EVERYTHING = {
    "average_recall": "AR@1000",
    "ap50": "AP50",
    "ap75": "AP75",
    "mean_best_overlap": "mean best overlap",
    "f1_50": "F1 at .5",
    "masks_per_image": "masks per image",
}

Figures = Mapping[str, Mapping[str, float]]


def table(by_set: Figures, columns: Mapping[str, str]) -> str:
    """A Markdown table with one row per set; columns without any measurement are left out."""
    last = by_set[list(by_set)[-1]]
    chosen = [name for name in columns if name in last]
    lines = [
        "| set | " + " | ".join(columns[name] for name in chosen) + " |",
        "|---" * (len(chosen) + 1) + "|",
    ]
    for set_name, figures in by_set.items():
        title = f"**{set_name}**" if set_name == MEAN else set_name
        lines.append(f"| {title} | " + " | ".join(f"{figures[n]:.2f}" for n in chosen) + " |")
    return "\n".join(lines)


def figures(results: Mapping[str, Any]) -> str:
    """The section on clicks and boxes."""
    by_set = results["by_set"]
    below = "; ".join(
        f"{title} on {', '.join(s for s in _below(by_set, name)) or 'no set'}"
        for name, title in (("ellipse", "the ellipse"), ("grabcut_box", "GrabCut"))
        if name in by_set[MEAN]
    )
    return "\n\n".join(
        [
            paragraph(
                f"{images(results['images_per_set'])}, at most three objects per image, input "
                f"{results['input_size']}, {results['dtype']}, mean IoU with the interactive "
                "protocol of the SAM paper. "
                f"{', '.join(f'`{name}`' for name in NEVER_TRAINED_ON)} were never trained on."
            ),
            table(by_set, MODEL),
            paragraph(
                "IoU error is the expected calibration error of predicted IoU within the set."
            ),
            "Without a network, for the same prompts:",
            table(by_set, BASELINES),
            paragraph(f"By box the model is below {below}."),
            paragraph(calibration(results) + times(results)),
        ]
    )


def _below(by_set: Figures, baseline: str) -> list[str]:
    return [s for s, f in by_set.items() if s != MEAN and f["box"] < f[baseline]]


def calibration(results: Mapping[str, Any]) -> str:
    """How far predicted IoU is from the true one, as text."""
    means = results["by_set"][MEAN]
    return (
        f"Predicted IoU: expected calibration error {means['iou_calibration_error']:.3f} and bias "
        f"{means['iou_bias']:+.3f} on average over sets."
    )


def times(results: Mapping[str, Any]) -> str:
    """Speed as text; nothing if it was not measured."""
    if "times" not in results:
        return ""
    milliseconds = results["times"]["milliseconds"]
    bf16, f32 = milliseconds["bfloat16"], milliseconds["float32"]
    threads = results["times"]["threads"]
    return (
        f" On {threads} thread{'s' * (threads > 1)} of {results['times']['machine']['cpu']}: "
        f"encoder {bf16['encoder']:.0f} ms in bfloat16 and "
        f"{f32['encoder']:.0f} ms in float32, a click {bf16['click']:.0f} and "
        f"{f32['click']:.0f} ms, 1,024 prompts {bf16['1024 prompts'] / 1000:.1f} and "
        f"{f32['1024 prompts'] / 1000:.1f} s."
    )


def everything(results: Mapping[str, Any]) -> str:
    """The section on whole images, with completely and sparsely labelled sets in two tables."""
    found = results["everything"]
    by_set = {name: f for name, f in found["by_set"].items() if name != MEAN}
    options = EverythingConfig(**found["thresholds"]).in_words()
    thresholds = ", ".join(f"{name} {value}" for name, value in options.items())
    complete = {name: f for name, f in by_set.items() if name in COMPLETE}
    sparse = {name: f for name, f in by_set.items() if name not in COMPLETE}
    # Precision is unknown where an unlabelled thing may be correctly found.
    recall = {n: EVERYTHING[n] for n in ("average_recall", "mean_best_overlap", "masks_per_image")}
    return "\n\n".join(
        [
            paragraph(
                f"{images(found['images_per_set'])}; {thresholds}. Where every object is labelled:"
            ),
            table({**complete, MEAN: mean_over_sets(complete)}, EVERYTHING),
            "Where only some are, so precision is unknown:",
            table({**sparse, MEAN: mean_over_sets(sparse)}, recall),
        ]
    )


def images(count: int | None) -> str:
    """How many images of each set, as text."""
    if count is None:
        return "All validation images of each set"
    return f"At most {count} validation images of each set"


def paragraph(text: str) -> str:
    """Text wrapped to the width of the card."""
    return textwrap.fill(text, 100, break_on_hyphens=False)


def headline(results: Mapping[str, Any]) -> str:
    """One line for `anymask info`."""
    means = results["by_set"][MEAN]
    titles = {
        "ellipse": "the ellipse in it",
        "grabcut_box": "GrabCut",
        "filled_box": "all of the box",
    }
    best = max((name for name in titles if name in means), key=lambda name: means[name])
    return (
        f"| Figures | mean IoU over {len(results['by_set']) - 1} validation sets: box "
        f"{means['box']:.2f} ({titles[best]} {means[best]:.2f}), 1 click "
        f"{means['click1_single']:.2f} (best of 3 {means['click1_oracle']:.2f}), 5 clicks "
        f"{means['click5']:.2f}; calibration error of predicted IoU "
        f"{means['iou_calibration_error']:.3f} |"
    )


def compute(notes: Mapping[str, float], text: str) -> str:
    """One line for `anymask info`; the card's text after the semicolon stays."""
    hardware = re.search(r"^\| Compute \|[^;|]*;(.*)\|$", text, re.MULTILINE)
    spent = f"{notes['images']:,} views in {notes['seconds'] / 3600:.1f} hours"
    return f"| Compute | {spent};{hardware[1] if hardware else ' '}|"


def replace_block(text: str, name: str, content: str) -> str:
    """Replace the text between the markers of a name.

    Raises
    ------
    SystemExit
        If the card has no such markers.
    """
    pattern = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
    replaced, count = pattern.subn(lambda m: f"{m[1]}\n{content}\n\n{m[2]}", text)
    if count != 1:
        raise SystemExit(f"{CARD} has no block 'begin {name}' … 'end {name}', or several.")
    return replaced


def replace_line(text: str, line: str) -> str:
    """Replace the line of the essentials table that has the same first cell."""
    first = line.split("|")[1]
    replaced, count = re.subn(rf"^\|{first}\|.*$", lambda _: line, text, flags=re.MULTILINE)
    if count != 1:
        raise SystemExit(f"{CARD} has no line '|{first}|', or several.")
    return replaced


def check_weights(results: Mapping[str, Any], source: Path) -> None:
    """Check that figures were measured with the shipped weights.

    Raises
    ------
    SystemExit
        If the results have a different hash, or none.
    """
    measured, shipped = results.get("weights_sha256"), sha256(SHIPPED)
    if measured != shipped:
        which = f"the weights {measured[:12]}" if measured else "weights it does not name"
        raise SystemExit(
            f"{source} was measured with {which}, and those shipped are {shipped[:12]}; run "
            "'python -m benchmarks.shipped_model --data SETS' and then this again."
        )


def main(source: Path) -> None:
    """Read the results and update the card."""
    results = json.loads(source.read_text())
    check_weights(results, source)
    with safe_open(SHIPPED, "pt") as file:
        notes = json.loads(file.metadata()["training"])
    text = CARD.read_text()
    for line in (compute(notes, text), headline(results)):
        text = replace_line(text, line)
    for name, content in (("figures", figures(results)), ("everything", everything(results))):
        text = replace_block(text, name, content)
    CARD.write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else RESULTS)
