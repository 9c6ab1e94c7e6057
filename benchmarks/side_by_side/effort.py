"""What is measured and how much of it; imports nothing."""

from __future__ import annotations

from dataclasses import dataclass

PARTS = ("start", "encoder", "decoder", "click", "after", "everything", "cold", "large")
"""Names of the parts, in the order in which they are measured."""


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes
    ----------
    points_per_side : int
        Of the grid that "everything" asks.
    prompts : int
        That the decoder is timed with.
    repeats : int
        Of what takes seconds, after one run that does not count.
    starts : int
        Processes started for each figure of a cold start.
    picture_size : tuple of int
        Width and height.
    large_side : int
        Sides of the very large picture.
    tile_size : int
        For the very large picture.
    """

    points_per_side: int = 32
    prompts: int = 64
    repeats: int = 3
    starts: int = 5
    picture_size: tuple[int, int] = (1800, 1200)
    large_side: int = 10_000
    tile_size: int = 2_048


# What one waits for: the table in about two minutes, of which a ViT takes most.
QUICK = Effort(repeats=2, starts=2, tile_size=5_000)
QUICK_VIT = Effort(points_per_side=8, repeats=1, starts=1, tile_size=5_000)
FULL = Effort()

# A random model's scores mean nothing, so the thresholds are set where some two fifths of all
# masks pass; and duplicates stay, because the boxes of most of these masks are the whole picture.
RANDOM_THRESHOLDS = {"pred_iou_thresh": 0.1, "stability_score_thresh": 0.8, "box_nms_thresh": 1.0}
