"""Networks with the inputs and outputs that programs written for Meta's export expect.

The decoder is that of `SamOnnxModel` in Meta's repository, with the same names and shapes; the
encoder is the one that such programs (samexporter, X-AnyLabeling, AnyLabeling) put beside it, from
a resized RGB image. They all take 1024 pixels for the longer side of the image and 256 for a mask
prompt. Models of another input size are therefore scaled within the graph, and finer features
travel inside the embedding, so that the shipped model runs there too.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anymask.model.sam import Sam
from anymask.onnx_export.networks import DecoderNetwork

FRAME, MASK = 1024, 256
# With fewer tokens than this Meta takes a prompt for ambiguous, and one of the candidates answers.
_MANY_TOKENS = 2.5


class MetaEncoder(nn.Module):
    """From an RGB image of 0 to 255, (H, W, 3), its longer side of 1024 pixels."""

    mean: Tensor
    std: Tensor
    inputs = ("input_image",)
    outputs = ("image_embeddings",)
    dynamic_axes = {"input_image": {0: "height", 1: "width"}}  # noqa: RUF012

    def __init__(self, sam: Sam) -> None:
        super().__init__()
        self.image_encoder = sam.image_encoder
        self.size = sam.config.image_size
        self.register_buffer("mean", sam.pixel_mean.clone())
        self.register_buffer("std", sam.pixel_std.clone())

    def examples(self) -> tuple[Tensor, ...]:
        """Inputs to trace with."""
        return (torch.zeros(FRAME * 3 // 4, FRAME, 3),)

    def forward(self, image: Tensor) -> Tensor:
        """Return the embedding, with finer features as further channels of its cells."""
        x = ((image.permute(2, 0, 1) - self.mean) / self.std)[None]
        x = F.pad(x, (0, FRAME - x.shape[3], 0, FRAME - x.shape[2]))
        if self.size != FRAME:
            x = F.interpolate(x.view(1, 3, FRAME, FRAME), (self.size, self.size), mode="area")
        features = self.image_encoder(x.view(1, 3, self.size, self.size))
        if not isinstance(features, tuple):
            return features
        embedding, eighth, quarter = features
        return torch.cat(
            [embedding, F.pixel_unshuffle(eighth, 2), F.pixel_unshuffle(quarter, 4)], 1
        )


class MetaDecoder(nn.Module):
    """`SamOnnxModel`: from an embedding and the tokens of one prompt to masks of the image."""

    inputs = (
        "image_embeddings",
        "point_coords",
        "point_labels",
        "mask_input",
        "has_mask_input",
        "orig_im_size",
    )
    outputs = ("masks", "iou_predictions", "low_res_masks")
    dynamic_axes = {  # noqa: RUF012
        "point_coords": {0: "prompts", 1: "num_points"},
        "point_labels": {0: "prompts", 1: "num_points"},
        "mask_input": {0: "masks"},
        "masks": {0: "prompts", 2: "height", 3: "width"},
        "iou_predictions": {0: "prompts"},
        "low_res_masks": {0: "prompts"},
    }

    def __init__(self, sam: Sam, single_mask: bool) -> None:
        super().__init__()
        self.decoder = DecoderNetwork(sam)
        self.config = sam.config
        self.single_mask = single_mask

    def examples(self) -> tuple[Tensor, ...]:
        """Inputs to trace with, of two prompts as for `DecoderNetwork`."""
        dim, h = self.config.prompt_dim, self.config.embedding_size
        *_, coords, labels, _, has_masks = self.decoder.examples()
        embedding = torch.zeros(1, 4 * dim if self.config.use_skips else dim, h, h)
        masks = torch.zeros(1, 1, MASK, MASK)
        return embedding, coords, labels, masks, has_masks, torch.tensor([480.0, 640.0])

    def forward(
        self,
        image_embeddings: Tensor,
        point_coords: Tensor,
        point_labels: Tensor,
        mask_input: Tensor,
        has_mask_input: Tensor,
        orig_im_size: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits in the size of the image, predicted IoU, and logits of 256×256."""
        maps = [image_embeddings]
        if self.config.use_skips:
            dim = self.config.prompt_dim
            embedding, eighth, quarter = image_embeddings.split([dim, dim, 2 * dim], 1)
            maps = [embedding, F.pixel_shuffle(eighth, 2), F.pixel_shuffle(quarter, 4)]
        side = self.config.low_res_size
        coords = (point_coords + 0.5) * (self.config.image_size / FRAME) - 0.5
        if side != MASK:
            mask_input = F.interpolate(mask_input, (side, side), mode="bilinear")
        prompts = (coords, point_labels, mask_input, has_mask_input)
        low_res, iou = self.decoder(*maps, *prompts)
        if self.single_mask:
            low_res, iou = _best(low_res, iou, point_coords.shape[1])
        if side != MASK:
            low_res = F.interpolate(low_res, (MASK, MASK), mode="bilinear")
        return _in_image(low_res, orig_im_size), iou, low_res


def _best(low_res: Tensor, iou: Tensor, tokens: int) -> tuple[Tensor, Tensor]:
    """The single mask of a clear prompt, or the best candidate of an ambiguous one."""
    single = torch.zeros_like(iou[:1])
    single[:, 0] = 1000
    best = (iou + single * (tokens - _MANY_TOKENS)).argmax(1, keepdim=True)
    chosen = best[..., None, None].expand(-1, 1, *low_res.shape[2:])
    return low_res.gather(1, chosen), iou.gather(1, best)


def _in_image(low_res: Tensor, size: Tensor) -> Tensor:
    """Logits at the size (H, W) of the image, by way of 1024 pixels and without the padding."""
    logits = F.interpolate(low_res, (FRAME, FRAME), mode="bilinear", align_corners=False)
    height, width = torch.floor(size * (FRAME / size.max()) + 0.5).to(torch.int64).unbind()
    logits = logits[..., :height, :width]
    # As tensors, so that an exported graph reads them at run time.
    whole: Any = tuple(size.to(torch.int64).unbind())
    return F.interpolate(logits, whole, mode="bilinear", align_corners=False)
