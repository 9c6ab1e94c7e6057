"""The two networks of a model as they are exported: inputs and outputs by name.

Whatever its kind, an image encoder is a network from one normalised image to an embedding and, in
some models, finer features (`anymask.model.encoders`); nothing here asks which kind it is. The
decoder takes prompts as Meta's exported decoder does: every point is a token with a label, and a
box is two of them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from anymask.model.sam import Sam, cut_at_boxes

SKIPS = ("skip_eighth", "skip_quarter")
_FIRST_CORNER, _SECOND_CORNER, _PADDING = 2, 3, -1


class EncoderNetwork(nn.Module):
    """The image encoder, from a normalised image (1, 3, S, S)."""

    inputs = ("image",)

    def __init__(self, sam: Sam) -> None:
        super().__init__()
        self.sam = sam
        self.size = sam.config.image_size
        self.outputs = ("image_embeddings", *(SKIPS if sam.config.use_skips else ()))

    def examples(self) -> tuple[Tensor, ...]:
        """Inputs to trace with."""
        return (torch.zeros(1, 3, self.size, self.size),)

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return the embedding (1, C, h, w), and finer features where the model has them."""
        features = self.sam.encode_image(image)
        return (features.embedding, *features.skips) if features.skips else features.embedding


class DecoderNetwork(nn.Module):
    """Prompt encoder and mask decoder, for N prompts of one image.

    Its results are those of `Sam.decode`, but for all mask tokens, the single mask first.
    """

    outputs = ("low_res_masks", "iou_predictions")

    def __init__(self, sam: Sam) -> None:
        super().__init__()
        self.config = sam.config
        self.prompt_encoder = sam.prompt_encoder
        self.mask_decoder = sam.mask_decoder
        skips = SKIPS if sam.config.use_skips else ()
        prompts = ("point_coords", "point_labels", "mask_input", "has_mask_input")
        self.inputs = ("image_embeddings", *skips, *prompts)

    def examples(self) -> tuple[Tensor, ...]:
        """Inputs to trace with: two prompts, so that no axis looks as if it were always one."""
        dim, h, side = self.config.prompt_dim, self.config.embedding_size, self.config.low_res_size
        maps = [torch.zeros(1, dim, h, h)]
        if self.config.use_skips:
            maps += [torch.zeros(1, dim >> i, h << (i - 1), h << (i - 1)) for i in (2, 3)]
        coords = torch.tensor([[[8.0, 8], [2, 2], [20, 20]]]).repeat(2, 1, 1)
        labels = torch.tensor([[1.0, 2, 3]]).repeat(2, 1)
        return *maps, coords, labels, torch.zeros(1, 1, side, side), torch.zeros(1)

    @property
    def dynamic_axes(self) -> dict[str, dict[int, str]]:
        """Axes that may have any length."""
        return {
            "point_coords": {0: "prompts", 1: "points"},
            "point_labels": {0: "prompts", 1: "points"},
            "mask_input": {0: "masks"},  # 1 or as many as prompts
            "low_res_masks": {0: "prompts"},
            "iou_predictions": {0: "prompts"},
        }

    def forward(self, image_embeddings: Tensor, *others: Tensor) -> tuple[Tensor, Tensor]:
        """Decode.

        Parameters
        ----------
        image_embeddings : (1, C, h, w) tensor
        others : tensors
            Finer features where the model has them; then `point_coords` (N, T, 2) in pixels of the
            encoder's input; `point_labels` (N, T) float32: 1 and 0 for points on the object and
            the background, 2 and 3 for the corners of a box, -1 for padding, which a prompt
            without a box needs once; `mask_input` (1 or N, 1, 4·h, 4·w) logits;
            `has_mask_input` (1,), 1 if that is to be used and 0 if not.

        Returns
        -------
        low_res_masks : (N, M + 1, 4·h, 4·w) tensor
        iou_predictions : (N, M + 1) tensor
        """
        *skips, coords, labels, masks, has_masks = others
        encoder = self.prompt_encoder
        sparse = self._embed(coords, labels)
        each = 0 * coords.sum((1, 2)).view(-1, 1, 1, 1)  # one for each prompt
        no_mask = encoder.no_mask_embed.weight.view(1, -1, 1, 1)
        dense = torch.where(has_masks > 0.5, encoder.mask_downscaling(masks), no_mask) + each
        boxes, has_box = _boxes(coords, labels)
        if encoder.dense_prompts is not None:
            # A token more that is no point, as a minimum needs something to look at.
            end = torch.zeros_like(coords[:, :1].sum(1, keepdim=True))
            points = torch.cat([coords, end], 1), torch.cat([labels, end[..., 0] + _PADDING], 1)
            dense = encoder.dense_prompts.draw(points, boxes, has_box, dense)
        tokens = self.mask_decoder.num_mask_tokens
        pe = encoder.get_dense_pe()
        low_res, iou = self.mask_decoder.predict_masks(
            image_embeddings, pe, sparse, dense, range(tokens), tuple(skips)
        )
        if self.config.box_margin is not None:
            cut = cut_at_boxes(low_res, boxes, self.config)
            low_res = torch.where(has_box[:, None, None, None], cut, low_res)
        return low_res, iou

    def _embed(self, coords: Tensor, labels: Tensor) -> Tensor:
        """Embed tokens of any kind: padding, points and corners of boxes."""
        encoder = self.prompt_encoder
        places = torch.where((labels == _PADDING)[..., None], 0.0, encoder._encode(coords))
        padding = encoder.not_a_point_embed.weight
        kinds = torch.cat([padding, *encoder.point_embeddings.parameters()])
        return places + kinds[labels.long() + 1]


def _boxes(coords: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Boxes (N, 4) XYXY from their corners among the tokens, and whether there is one (N,)."""
    first, second = (
        (coords * (labels == kind)[..., None]).sum(1) for kind in (_FIRST_CORNER, _SECOND_CORNER)
    )
    return torch.cat([first, second], 1), (labels == _FIRST_CORNER).sum(1) > 0
