"""What is measured and how thoroughly; this module imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

PARTS = ("start", "encoder", "decoder", "click", "after", "everything", "cold", "large")
"""Names of the parts, in the order in which they are measured."""


@dataclass(frozen=True)
class Effort:
    """How thoroughly to measure.

    Attributes
    ----------
    points_per_side : int
        Grid of "everything".
    prompts : int
        Prompts for timing the decoder.
    repeats : int
        Repetitions of slow parts, after one warm-up run.
    starts : int
        Processes started for each cold-start figure.
    picture_size : tuple of int
        Width and height of the image.
    large_side : int
        Side of the very large image.
    tile_size : int
        Tile size for the very large image.
    """

    points_per_side: int = 32
    prompts: int = 64
    repeats: int = 3
    starts: int = 5
    picture_size: tuple[int, int] = (1800, 1200)
    large_side: int = 10_000
    tile_size: int = 2_048


# The default takes about two minutes, most of it for a ViT.
QUICK = Effort(repeats=2, starts=2, tile_size=5_000)
QUICK_VIT = Effort(points_per_side=8, repeats=1, starts=1, tile_size=5_000)
FULL = Effort()

# Scores of a random model are meaningless, so thresholds are set to pass about two fifths of all
# masks. Duplicates stay, because the boxes of most of these masks are the whole image.
RANDOM_THRESHOLDS = {"pred_iou_thresh": 0.1, "stability_score_thresh": 0.8, "box_nms_thresh": 1.0}
