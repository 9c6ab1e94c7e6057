"""Synthetic training scenes: drawn images in which every region is known exactly.

`draw_scene` chooses a family of images by `KIND_WEIGHTS`, draws one on a canvas that updates
colours and labels together, and adds the effects of a camera. Drawing is deterministic, given the
random generator.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from recipes.small.drawing.canvas import Canvas
from recipes.small.drawing.finishing import finish
from recipes.small.drawing.scene import PhotoSource, Scene
from recipes.small.drawing.scenes_cells import (
    draw_brightfield,
    draw_fluorescence,
    draw_smear,
    draw_stain,
)
from recipes.small.drawing.scenes_curves import (
    draw_cracks,
    draw_roads,
    draw_roots,
    draw_strands,
    draw_vessels,
)
from recipes.small.drawing.scenes_made import (
    draw_letters,
    draw_panels,
    draw_table,
    draw_wares,
)
from recipes.small.drawing.scenes_medical import (
    draw_endoscopy,
    draw_radiology,
    draw_skin,
    draw_ultrasound,
)
from recipes.small.drawing.scenes_partition import draw_grains, draw_membranes
from recipes.small.drawing.scenes_photo import draw_pasted
from recipes.small.drawing.scenes_plants import draw_arms, draw_beds
from recipes.small.drawing.scenes_things import draw_leaves, draw_objects
from recipes.small.drawing.scenes_tissue import draw_tissue

__all__ = ["KINDS", "KIND_WEIGHTS", "PhotoSource", "Scene", "draw_scene"]

KINDS: dict[str, Callable[[Canvas], None]] = {
    "leaves": draw_leaves,
    "objects": draw_objects,
    "fluorescence": draw_fluorescence,
    "brightfield": draw_brightfield,
    "stain": draw_stain,
    "tissue": draw_tissue,
    "smear": draw_smear,
    "roots": draw_roots,
    "vessels": draw_vessels,
    "cracks": draw_cracks,
    "roads": draw_roads,
    "strands": draw_strands,
    "letters": draw_letters,
    "panels": draw_panels,
    "table": draw_table,
    "wares": draw_wares,
    "pasted": draw_pasted,
    "beds": draw_beds,
    "arms": draw_arms,
    "ultrasound": draw_ultrasound,
    "endoscopy": draw_endoscopy,
    "radiology": draw_radiology,
    "skin": draw_skin,
    "membranes": draw_membranes,
    "grains": draw_grains,
}
"""The families of images by name; each function draws one on a canvas."""

NEEDS_PHOTOS = frozenset({"pasted"})

KIND_WEIGHTS: dict[str, float] = {
    # Everyday things have the largest share, because most users segment photographs.
    "leaves": 0.11,
    "objects": 0.085,
    "pasted": 0.135,
    "letters": 0.02,
    "panels": 0.025,
    "table": 0.035,
    "wares": 0.03,
    # Plants and other things that fill little of their bounding boxes.
    "beds": 0.06,
    "arms": 0.04,
    # Microscopy.
    "fluorescence": 0.045,
    "brightfield": 0.03,
    "stain": 0.02,
    "tissue": 0.03,
    "smear": 0.015,
    "membranes": 0.02,
    "grains": 0.025,
    # Medical images.
    "ultrasound": 0.025,
    "endoscopy": 0.025,
    "radiology": 0.025,
    "skin": 0.015,
    # Thin and branching things: a fifth, because few real ones exist and they are learned late.
    "roots": 0.06,
    "vessels": 0.04,
    "cracks": 0.05,
    "roads": 0.025,
    "strands": 0.035,
}
"""Weight of each family; divided by the sum over the families that can be drawn."""


MIN_LABELLED = 0.003
"""Smallest fraction of a scene's pixels that belong to regions."""


def draw_scene(
    rng: np.random.Generator,
    size: int,
    photos: PhotoSource | None = None,
    *,
    kind: str | None = None,
) -> Scene:
    """Draw one scene.

    Parameters
    ----------
    rng
        The only source of randomness: the same state gives the same scene.
    size
        Side S of the square image in pixels, at least 64.
    photos
        Real images for textures, backgrounds and cut-outs; without them, families that need them
        are left out and all surfaces are drawn.
    kind
        A family of `KINDS`; the default is a random choice by `KIND_WEIGHTS`.

    Returns
    -------
    Scene
        Image, labels of the finest regions, and the groups they belong to; at least one region.

    Raises
    ------
    ValueError
        If the size is below 64, the family is unknown, or it needs photographs and none are given.

    Examples
    --------
    >>> import numpy as np
    >>> scene = draw_scene(np.random.default_rng(0), 128, kind="wares")
    >>> scene.image.shape, scene.labels.shape, scene.num_regions > 0
    ((128, 128, 3), (128, 128), True)
    """
    if size < 64:
        raise ValueError(f"The side of a scene must be at least 64 pixels, got {size}.")
    if kind is not None and kind not in KINDS:
        raise ValueError(f"Unknown kind of scene {kind!r}; choose one of {', '.join(KINDS)}.")
    if kind in NEEDS_PHOTOS and photos is None:
        raise ValueError(f"Scenes of kind {kind!r} need photographs: pass a PhotoSource.")
    names = [kind] if kind else [n for n in KINDS if photos is not None or n not in NEEDS_PHOTOS]
    weights = np.array([KIND_WEIGHTS[name] for name in names])
    while True:
        name = names[rng.choice(len(names), p=weights / weights.sum())]
        canvas = Canvas(size, rng, photos)
        KINDS[name](canvas)
        scene = canvas.scene()
        # Sometimes nearly everything is outside the canvas or covered: draw again.
        if np.count_nonzero(scene.labels) >= MIN_LABELLED * scene.labels.size:
            scene.image = finish(canvas.image, rng)
            return scene
