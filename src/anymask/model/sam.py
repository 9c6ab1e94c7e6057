"""Sam: image encoder, prompt encoder and mask decoder joined (arXiv 2304.02643, section 3)."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anymask.errors import PromptError
from anymask.model.config import SamConfig
from anymask.model.embedding import ImageEmbedding
from anymask.model.layers import Float32Buffers
from anymask.model.mask_decoder import MaskDecoder
from anymask.model.prompt_encoder import PromptEncoder
from anymask.model.transformer import TwoWayTransformer

__all__ = ["ImageEmbedding", "Sam", "cut_at_boxes"]

# What a logit outside the box of a box prompt becomes: certainly not the object.
_OUTSIDE_BOX = -20.0


class Sam(Float32Buffers):
    """Segment Anything with the geometry of a `SamConfig`.

    Parameters
    ----------
    config : SamConfig
    image_encoder, prompt_encoder, mask_decoder : torch.nn.Module, optional
        Parts that exist already, with this geometry; by default they are built.

    Attributes
    ----------
    image_encoder, prompt_encoder, mask_decoder : torch.nn.Module
    mask_threshold : float
        Logits above it are mask.
    image_format : str
        Channel order of the input, "RGB".
    rounded_from : torch.dtype or None
        The dtype of the checkpoint, if its weights were rounded when they were loaded.
    """

    mask_threshold: float = 0.0
    image_format: str = "RGB"
    pixel_mean: Tensor
    pixel_std: Tensor
    _prompt_encoder_kind: ClassVar[type[PromptEncoder]] = PromptEncoder
    _mask_decoder_kind: ClassVar[type[MaskDecoder]] = MaskDecoder

    def __init__(
        self,
        config: SamConfig,
        image_encoder: nn.Module | None = None,
        prompt_encoder: PromptEncoder | None = None,
        mask_decoder: MaskDecoder | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.rounded_from: torch.dtype | None = None
        if image_encoder is None:
            image_encoder = config.image_encoder.build(config.image_size, config.prompt_dim)
        if prompt_encoder is None:
            prompt_encoder = _prompt_encoder(config, self._prompt_encoder_kind)
        if mask_decoder is None:
            mask_decoder = _mask_decoder(config, self._mask_decoder_kind)
        self.image_encoder = image_encoder
        self.prompt_encoder: PromptEncoder = prompt_encoder
        self.mask_decoder: MaskDecoder = mask_decoder
        for name in ("pixel_mean", "pixel_std"):
            values = torch.tensor(getattr(config, name), dtype=torch.float32).view(3, 1, 1)
            self.register_buffer(name, values, persistent=False)

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return self.mask_decoder.iou_token.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the image encoder's weights; the decoder may stay in float32 beside it."""
        return next(self.image_encoder.parameters()).dtype

    def encode_image(self, x: Tensor) -> ImageEmbedding:
        """Encode images.

        Parameters
        ----------
        x : (B, 3, S, S) tensor
            From `preprocess`, S being the configuration's image size.
        """
        features = self.image_encoder(x.to(self.device, self.dtype))
        if isinstance(features, tuple):
            return ImageEmbedding(features[0], features[1:])
        return ImageEmbedding(features)

    def beside_encoder(self) -> dict[str, nn.Parameter]:
        """The parameters, by name, that `encode_image` uses beside the image encoder's: none."""
        return {}

    def decode(
        self,
        image: ImageEmbedding,
        *,
        point_coords: Tensor | None = None,
        point_labels: Tensor | None = None,
        boxes: Tensor | None = None,
        masks: Tensor | None = None,
        multimask_output: bool = True,
    ) -> tuple[Tensor, Tensor]:
        """Decode N prompts of one image, or N = B·P prompts of B images in order.

        Coordinates are in pixels (x, y) of the encoder's S×S input, centres at integers.

        Parameters
        ----------
        image : ImageEmbedding
        point_coords, point_labels : (N, P, 2) and (N, P) tensors, or None
            Labels are 1 for the object, 0 for the background, -1 for no point.
        boxes : (N, 4) tensor or None
            XYXY.
        masks : (N, 1, 4·h, 4·w) tensor or None
            Logits of an earlier mask, as `decode` returned them.
        multimask_output : bool
            Return three candidates instead of one mask.

        Returns
        -------
        low_res_masks : (N, M, 4·h, 4·w) float32 tensor
            Logits; M is 3 or 1.
        iou_predictions : (N, M) float32 tensor

        Raises
        ------
        PromptError
            If only one of `point_coords` and `point_labels` is given.
        """
        if (point_coords is None) != (point_labels is None):
            raise PromptError("Only one of point_coords and point_labels was given; give both.")
        points = None
        if point_coords is not None and point_labels is not None:
            points = point_coords.to(self.device), point_labels.to(self.device)
        boxes = None if boxes is None else boxes.to(self.device)
        masks = None if masks is None else masks.to(self.device)
        sparse, dense = self.prompt_encoder(points, boxes, masks)
        dtype = self.mask_decoder.iou_token.weight.dtype
        embedding, *skips = (x.to(dtype) for x in (image.embedding, *image.skips))
        low_res, iou = self.mask_decoder(
            embedding,
            self.prompt_encoder.get_dense_pe(),
            sparse,
            dense,
            multimask_output,
            **({"skips": tuple(skips)} if skips else {}),
        )
        low_res = low_res.float()
        if boxes is not None and self.config.box_margin is not None:
            low_res = cut_at_boxes(low_res, boxes, self.config)
        return low_res, iou.float()

    def preprocess(self, x: Tensor) -> Tensor:
        """Normalise 0-255 RGB (…, 3, H, W) and pad with zeros at right and bottom to S×S."""
        x = (x.to(self.device) - self.pixel_mean) / self.pixel_std
        size = self.config.image_size
        return F.pad(x, (0, size - x.shape[-1], 0, size - x.shape[-2]))

    def postprocess_masks(
        self, masks: Tensor, input_size: tuple[int, ...], original_size: tuple[int, ...]
    ) -> Tensor:
        """Enlarge low-resolution logits to the original image, without its padding.

        Parameters
        ----------
        masks : (N, M, 4·h, 4·w) tensor
        input_size : tuple of int
            Height and width of the image as resized for the encoder, before padding.
        original_size : tuple of int
            Height and width of the original image.

        Returns
        -------
        (N, M, H, W) tensor
            Logits.
        """
        size = (self.config.image_size,) * 2
        masks = F.interpolate(masks, size, mode="bilinear", align_corners=False)
        masks = masks[..., : input_size[0], : input_size[1]]
        return F.interpolate(masks, tuple(original_size), mode="bilinear", align_corners=False)

    @torch.no_grad()
    def forward(
        self, batched_input: list[dict[str, Any]], multimask_output: bool
    ) -> list[dict[str, Tensor]]:
        """Segment a list of images, each with its own prompts.

        Parameters
        ----------
        batched_input : list of dict
            Each with `image` (3, h, w) 0-255 and already resized so that its longer side is S,
            `original_size` (H, W), and any of `point_coords` (N, P, 2) with `point_labels`
            (N, P), `boxes` (N, 4) XYXY and `mask_inputs` (N, 1, 4·h, 4·w), in the frame of
            `image`.
        multimask_output : bool

        Returns
        -------
        list of dict
            Each with `masks` (N, M, H, W) bool, `iou_predictions` (N, M) and `low_res_logits`
            (N, M, 4·h, 4·w).
        """
        images = self.encode_image(
            torch.stack([self.preprocess(x["image"]) for x in batched_input])
        )
        outputs = []
        for i, record in enumerate(batched_input):
            low_res, iou = self.decode(
                images.image(i),
                point_coords=record.get("point_coords"),
                point_labels=record.get("point_labels"),
                boxes=record.get("boxes"),
                masks=record.get("mask_inputs"),
                multimask_output=multimask_output,
            )
            masks = self.postprocess_masks(
                low_res, record["image"].shape[-2:], record["original_size"]
            )
            outputs.append(
                {
                    "masks": masks > self.mask_threshold,
                    "iou_predictions": iou,
                    "low_res_logits": low_res,
                }
            )
        return outputs


def _prompt_encoder(config: SamConfig, kind: type[PromptEncoder]) -> PromptEncoder:
    return kind(
        config.prompt_dim,
        (config.embedding_size, config.embedding_size),
        (config.image_size, config.image_size),
        config.mask_in_chans,
        draw_prompts=config.dense_prompts,
    )


def _mask_decoder(config: SamConfig, kind: type[MaskDecoder]) -> MaskDecoder:
    return kind(
        transformer_dim=config.prompt_dim,
        transformer=TwoWayTransformer(
            config.decoder_depth,
            config.prompt_dim,
            config.decoder_heads,
            config.decoder_mlp_dim,
        ),
        num_multimask_outputs=config.num_multimask_outputs,
        iou_head_depth=config.iou_head_depth,
        iou_head_hidden_dim=config.iou_head_hidden_dim,
        iou_from_masks=config.iou_from_masks,
    )


def cut_at_boxes(low_res: Tensor, boxes: Tensor, config: SamConfig) -> Tensor:
    """Make logits outside each box, enlarged by the configuration's margin, certain background.

    Parameters
    ----------
    low_res : (N, M, 4·h, 4·w) tensor
    boxes : (N, 4) tensor
        XYXY in pixels of the encoder's input.
    config : SamConfig
    """
    assert config.box_margin is not None
    scale = config.image_size / low_res.shape[-1]
    x0, y0, x1, y1 = boxes.float()[:, :, None].unbind(1)
    # At least one low-resolution pixel, so that a tiny box is not cut away altogether.
    margin = (config.box_margin * torch.maximum(x1 - x0, y1 - y0)).clamp(min=scale)
    centres = (torch.arange(low_res.shape[-1], device=boxes.device) + 0.5) * scale - 0.5
    rows = (centres >= y0 - margin) & (centres <= y1 + margin)  # (N, 4·h)
    cols = (centres >= x0 - margin) & (centres <= x1 + margin)
    inside = rows[:, None, :, None] & cols[:, None, None, :]
    return torch.where(inside, low_res, low_res.clamp(max=_OUTSIDE_BOX))
