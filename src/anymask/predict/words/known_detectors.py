"""The published detectors for words that anymask runs through `transformers`.

Each is a model of the Hugging Face hub. It is downloaded when it is first used, into the hub's own
cache. A folder with a model of the same kinds can be used in its place.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from anymask.errors import PromptError
from anymask.predict.words.published import Published, folder_of

if TYPE_CHECKING:
    from anymask.predict.words.transformers_detectors import Detector

DEFAULT = "grounding-dino"
"""The detector that is used if none is named."""

_INSTALL = "install it with pip install 'anymask[text]'"


KNOWN_DETECTORS = {
    each.name: each
    for each in (
        Published(
            "grounding-dino",
            "Grounding DINO, Swin-T",
            "IDEA-Research/grounding-dino-tiny",
            "Apache-2.0",
            690,
        ),
        Published(
            "grounding-dino-base",
            "Grounding DINO, Swin-B",
            "IDEA-Research/grounding-dino-base",
            "Apache-2.0",
            930,
        ),
        Published(
            "mm-grounding-dino",
            "MM-Grounding-DINO, Swin-T",
            "openmmlab-community/mm_grounding_dino_tiny_o365v1_goldg_v3det",
            "Apache-2.0",
            690,
        ),
        Published(
            "llmdet",
            "LLMDet, Swin-T",
            "iSEE-Laboratory/llmdet_tiny",
            "Apache-2.0",
            690,
        ),
        Published(
            "owlv2",
            "OWLv2, ViT-B/16",
            "google/owlv2-base-patch16-ensemble",
            "Apache-2.0",
            620,
            0.2,
        ),
    )
}
"""The detectors by name."""


def open_detector(name: str, device: str = "cpu") -> Detector:
    """Load a detector.

    Parameters
    ----------
    name : str
        A name of `KNOWN_DETECTORS`, or a folder in Hugging Face's layout.
    device : str
        A torch device.

    Raises
    ------
    PromptError
        If the folder has no such model, or `transformers` is not installed.
    CheckpointError
        If it cannot be downloaded.
    """
    try:
        from anymask.predict.words.transformers_detectors import KINDS, open_folder
    except ImportError as error:
        raise PromptError(
            f"Detectors for words need the package transformers; {_INSTALL}."
        ) from error
    folder = folder_of(KNOWN_DETECTORS[name]) if name in KNOWN_DETECTORS else Path(name)
    kind = kind_of(folder)
    if kind not in KINDS:
        known = ", ".join(KINDS)
        raise PromptError(
            f"{folder} is a {kind or 'folder without a model'}, and no detector for words that "
            f"anymask knows; give a folder with a model of one of the kinds {known}."
        )
    return open_folder(folder, kind, device)


def kind_of(folder: Path) -> str | None:
    """Return the kind of model that a folder in Hugging Face's layout says it has, or None."""
    try:
        facts = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return str(facts["model_type"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
