"""Everything after the decoder, timed with logits that were decoded before.

Both implementations run unchanged except for their networks: the encoder returns a placeholder, and
the decoder replays recorded logits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from anymask.checkpoints import load
from anymask.model.config import SamConfig
from anymask.model.sam import ImageEmbedding, Sam
from anymask.predict.everything.generator import SamAutomaticMaskGenerator
from anymask.predict.everything.grids import point_grid
from anymask.predict.predictor import SamPredictor
from benchmarks.side_by_side import peers
from benchmarks.side_by_side.machine import clocks
from benchmarks.side_by_side.network import decoded, take_turns

Config = dict[str, Any]


def after(config: Config) -> dict[str, Any]:
    """Time everything after the decoder, on the same logits, and compare the masks."""
    geometry = SamConfig.from_dict(config["config"])
    picture = np.asarray(Image.open(config["picture"]))
    decoder = _RecordedDecoder(config, picture)
    ours = _our_generator(geometry, decoder, config["settings"])

    times, found = take_turns({"anymask": lambda: ours.generate(picture)}, config["repeats"])
    records = found["anymask"]
    results: dict[str, Any] = {
        "times": times,
        "masks": len(records),
        "candidates": decoder.iou.numel(),
        "threads": torch.get_num_threads(),
    }
    if peers.SEGMENT_ANYTHING in config["peers"]:
        theirs = _metas_generator(geometry, decoder, config["settings"])
        began = clocks()
        expected = theirs.generate(picture)
        seconds, cpu_seconds = (clocks() - began).tolist()
        times[peers.SEGMENT_ANYTHING] = {"seconds": seconds, "cpu_seconds": cpu_seconds}
        results["their_masks"] = len(expected)
        results["identical"] = _in_both(records, expected)
    return results


def _in_both(records: list[dict[str, Any]], expected: list[dict[str, Any]]) -> int:
    """Number of masks that the other list has too, pixel for pixel; each of them counts once."""
    waiting: dict[tuple[int, ...], int] = {}
    for record in expected:
        counts = tuple(record["segmentation"]["counts"])
        waiting[counts] = waiting.get(counts, 0) + 1
    found = 0
    for record in records:
        counts = tuple(record["segmentation"]["counts"])
        if waiting.get(counts, 0):
            waiting[counts] -= 1
            found += 1
    return found


class _RecordedDecoder(nn.Module):
    """A mask decoder's recorded predictions for a grid of points.

    Our engine calls it from several threads, and predictions are looked up by point. Meta's decoder
    gets only the output of its prompt encoder, so each of its batches gets the next predictions.
    """

    def __init__(self, config: Config, picture: NDArray[np.uint8]) -> None:
        super().__init__()
        sam = load(config["model"], device="cpu", dtype=config["cpu_dtype"])
        predictor = SamPredictor(sam)
        predictor.set_image(picture)
        assert predictor.image_features is not None
        height, width = picture.shape[:2]
        grid = point_grid(config["settings"]["points_per_side"]) * (width, height)
        coords = torch.from_numpy(predictor.transform.apply_coords(grid, (height, width)))
        labels = torch.ones((len(coords), 1), dtype=torch.int64)
        with torch.inference_mode():
            self.low_res, self.iou = decoded(
                sam, predictor.image_features, coords.float()[:, None], labels
            )
        self._rows = {tuple(point): row for row, point in enumerate(coords.float().tolist())}
        self._at = 0

    def at(self, point_coords: Tensor) -> tuple[Tensor, Tensor]:
        """Copies of the masks and scores at points (N, 1, 2) of the grid."""
        rows = torch.tensor([self._rows[tuple(point)] for point in point_coords[:, 0].tolist()])
        return self.low_res[rows], self.iou[rows]

    def next(self, count: int) -> tuple[Tensor, Tensor]:
        """Copies of the next masks and scores, or of the last ones if there are no more."""
        part = torch.arange(self._at, self._at + count).clamp(max=len(self.iou) - 1)
        self._at += count
        return self.low_res[part], self.iou[part]

    def forward(self, sparse_prompt_embeddings: Tensor, **_: Any) -> tuple[Tensor, Tensor]:
        """Replace Meta's decoder."""
        return self.next(len(sparse_prompt_embeddings))


class _NoEncoder(nn.Module):
    """An image encoder whose result is not used."""

    def __init__(self, config: SamConfig) -> None:
        super().__init__()
        self.img_size = config.image_size
        self._shape = (1, config.prompt_dim, *(config.embedding_size,) * 2)

    def forward(self, pixels: Tensor) -> Tensor:
        return pixels.new_zeros(self._shape)


def _our_generator(
    geometry: SamConfig, decoder: _RecordedDecoder, settings: Config
) -> SamAutomaticMaskGenerator:
    class Replayed(Sam):
        def encode_image(self, x: Tensor) -> ImageEmbedding:
            return ImageEmbedding(self.image_encoder(x))

        def decode(self, image: ImageEmbedding, **prompts: Any) -> tuple[Tensor, Tensor]:
            return decoder.at(prompts["point_coords"])

    sam = Replayed(geometry).eval()
    sam.image_encoder = _NoEncoder(geometry)
    return SamAutomaticMaskGenerator(sam, **settings)


def _metas_generator(geometry: SamConfig, decoder: _RecordedDecoder, settings: Config) -> Any:
    sam: Any = peers.metas_sam(geometry)
    sam.image_encoder, sam.mask_decoder = _NoEncoder(geometry), decoder
    return peers.metas_generator(sam, settings)
