"""A job over a folder, as data: how to segment each image, and where the results go."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anymask.checkpoints.identify import WEIGHT_SUFFIXES
from anymask.checkpoints.registry import CHECKPOINTS
from anymask.files import sha256
from anymask.images.image import Image
from anymask.io.corrected import newest_masks
from anymask.io.fingerprint import fingerprint
from anymask.io.read_masks import load_masks
from anymask.io.results import JSON, has_results, result_path
from anymask.io.view import View
from anymask.jobs.finders import Everything, Finder
from anymask.jobs.inputs import WorkItem
from anymask.jobs.matching import MaskedItem
from anymask.masks.mask_set import MaskSet
from anymask.model.config import EverythingConfig
from anymask.predict.everything.options import EverythingOptions

if TYPE_CHECKING:
    from anymask.model.sam import Sam

# Options that do not change masks.
_OF_NO_EFFECT = frozenset({"points_per_batch"})


@dataclass(frozen=True)
class FolderJob:
    """How to segment the images of a job; plain data that can be pickled.

    Attributes
    ----------
    output : Path
        Folder for the results.
    model : str
        As in `anymask.load`.
    options : mapping
        The given options of `EverythingOptions`; the others are the model's own.
    view : View
        How images are shown to the model.
    device, dtype : str
    compile : bool
        As in `anymask.load`.
    add_to : mapping of Path to MaskedItem
        Images with masks that are kept; what these do not cover is added.
    blocks : bool
        Whether images with several tiles are done in blocks (`anymask.jobs.in_blocks`), as images
        too large to be read at once always are.

    Raises
    ------
    AnymaskError
        If an option is unknown or has an invalid value.
    """

    output: Path
    model: str = "small"
    options: Mapping[str, Any] = field(default_factory=dict)
    view: View = field(default_factory=View)
    device: str = "auto"
    dtype: str = "auto"
    compile: bool = False
    add_to: Mapping[Path, MaskedItem] = field(default_factory=dict)
    blocks: bool = False

    def __post_init__(self) -> None:
        EverythingOptions.for_model(EverythingConfig(), self.options)

    @property
    def finds_everything(self) -> bool:
        """Whether every object is looked for, which can be done in blocks."""
        return True

    def load(self) -> Sam:
        """Load the model."""
        from anymask.checkpoints import load

        return load(self.model, device=self.device, dtype=self.dtype, compile=self.compile)

    def earlier_masks(self, item: WorkItem, image: Image) -> MaskSet | None:
        """Return the masks of an item that are kept; None if there are none."""
        known = self.add_to.get(item.path)
        if known is None:
            return None
        masks = load_masks(known.masks, picture=known.picture, image=image)
        return newest_masks(known.masks, masks)

    def finder(self, sam: Sam) -> Finder:
        """Return what finds the masks of each image.

        Raises
        ------
        AnymaskError
            If the model does not support an option.
        """
        return Everything(sam, self.options)

    @cached_property
    def model_sha256(self) -> str | None:
        """SHA-256 of the weights if the model is a file or folder.

        None for names, whose weights do not change.
        """
        path = Path(self.model).expanduser()
        if self.model in CHECKPOINTS or not path.exists():
            return None
        if path.is_file():
            return sha256(path)
        digest = hashlib.sha256()
        for part in sorted(path.iterdir()):
            if part.suffix in WEIGHT_SUFFIXES:
                digest.update(f"{part.name}\0{sha256(part)}\n".encode())
        return digest.hexdigest()

    def stem(self, item: WorkItem) -> Path:
        """The folder and NAME of an item's results."""
        return self.output / item.name

    def has_results(self, item: WorkItem) -> bool:
        """Whether all results of an item exist, with any settings."""
        return has_results(self.stem(item))

    def settings(self) -> dict[str, Any]:
        """Return the settings that all results depend on, for the record of the job.

        `made_with` has them for one item.
        """
        known = CHECKPOINTS[self.model].sha256 if self.model in CHECKPOINTS else None
        return {
            "model": self.model,
            "model_sha256": known or self.model_sha256,
            "options": dict(self.options),
            "view": self.view.made_with(None),
            "rgb": [list(recipe.source) for recipe in self.view.recipes],
        }

    def made_with(self, item: WorkItem) -> dict[str, Any]:
        """Return the settings that the results of an item depend on, as recorded in them."""
        view = self.view.made_with(item.recipe)
        earlier = self.add_to.get(item.path)
        return {
            "model": self.model,
            **({"model_sha256": self.model_sha256} if self.model_sha256 else {}),
            "options": {k: v for k, v in self.options.items() if k not in _OF_NO_EFFECT},
            "sha256": fingerprint(item.path, self.view.header),
            **({"view": view} if view else {}),
            **({"added_to": earlier.hashes_of_masks()} if earlier else {}),
        }

    def masks_if_done(self, item: WorkItem) -> int | None:
        """Return the number of masks in an item's results, if this job would produce the same.

        None if results are missing, or were made from a file with other content, with another
        model or with other options.
        """
        if not self.has_results(item):
            return None
        try:
            path = result_path(self.stem(item), JSON)
            coco = json.loads(path.read_text(encoding="utf-8"))
            info, count = coco["info"], len(coco["annotations"])
            wanted = self.made_with(item)
            wanted = {"view": None, "added_to": None, **wanted}
            if "model_sha256" not in info:  # as written by anymask 0.1.0
                wanted.pop("model_sha256", None)
            same = all(info.get(key) == value for key, value in wanted.items())
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return None
        return count if same else None
