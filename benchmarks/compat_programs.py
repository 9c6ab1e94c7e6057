"""Programs that `benchmarks.compat` runs twice: on `segment-anything` and on anymask.

Each function is what a user of the named package writes. It imports `segment_anything` only under
that name, takes a `Setting`, and returns arrays by name: `masks...` are compared pixel by pixel,
all others as numbers.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Setting:
    """What a program gets: the model file of "vit_b", and an RGB image."""

    checkpoint: str
    image: NDArray[np.uint8]


def _predictor(setting: Setting) -> Any:
    from segment_anything import SamPredictor, sam_model_registry

    return SamPredictor(sam_model_registry["vit_b"](checkpoint=setting.checkpoint))


def _records(records: list[dict[str, Any]]) -> Arrays:
    names = ("predicted_iou", "stability_score", "bbox", "point_coords", "crop_box", "area")
    columns = {n: np.array([r[n] for r in records], float) for n in names}
    return {"masks": np.array([r["segmentation"] for r in records], bool), **columns}


def predictor_notebook(setting: Setting) -> Arrays:
    """The predictor's notebook: points, a mask again, a box, batches of boxes and images."""
    import torch

    predictor = _predictor(setting)
    sam, (height, width) = predictor.model, setting.image.shape[:2]
    predictor.set_image(setting.image)
    point = np.array([[width // 2, height // 2]])
    masks, scores, logits = predictor.predict(point_coords=point, point_labels=np.array([1]))
    found = {"masks_point": masks, "scores": scores, "logits": logits}
    more = np.vstack([point, [[width // 4, height // 3]]])
    found["masks_again"], *_ = predictor.predict(
        point_coords=more,
        point_labels=np.array([1, 0]),
        mask_input=logits[np.argmax(scores)][None],
        multimask_output=False,
    )
    box = np.array([width // 5, height // 5, width // 2, height // 2])
    found["masks_box"], *_ = predictor.predict(box=box[None], multimask_output=False)
    boxes = torch.tensor(np.stack([box, box + 20, box // 2]), device=predictor.device)
    transformed = predictor.transform.apply_boxes_torch(boxes, (height, width))
    batch, _, _ = predictor.predict_torch(None, None, transformed, multimask_output=False)
    found["masks_boxes"] = batch.numpy()
    pixels = predictor.transform.apply_image(setting.image)
    records = [
        {
            "image": torch.as_tensor(pixels).permute(2, 0, 1).contiguous(),
            "boxes": transformed,
            "original_size": (height, width),
        }
    ]
    found["masks_batch"] = sam(records, multimask_output=False)[0]["masks"].numpy()
    found["embedding"] = predictor.get_image_embedding().numpy()
    return found


def everything_notebook(setting: Setting) -> Arrays:
    """The notebook of automatic masks: with crops and cleaning."""
    from segment_anything import SamAutomaticMaskGenerator

    generator = SamAutomaticMaskGenerator(
        model=_predictor(setting).model,
        points_per_side=8,
        pred_iou_thresh=0.0,
        stability_score_thresh=0.6,
        crop_n_layers=1,
        crop_n_points_downscale_factor=2,
        min_mask_region_area=100,
    )
    return _records(generator.generate(setting.image))


def medsam(setting: Setting) -> Arrays:
    """Inference as MedSAM's script does it: the parts called one by one with a box."""
    import torch
    from PIL import Image
    from torch.nn import functional as F

    model = _predictor(setting).model
    height, width = setting.image.shape[:2]
    pixels = np.asarray(Image.fromarray(setting.image).resize((1024, 1024))) / 255.0
    image = torch.tensor(pixels).float().permute(2, 0, 1)[None]
    box = torch.tensor([[0.2 * width, 0.2 * height, 0.7 * width, 0.8 * height]])
    box = box / torch.tensor([width, height, width, height]) * 1024
    with torch.no_grad():
        embedding = model.image_encoder(image)
        sparse, dense = model.prompt_encoder(points=None, boxes=box[:, None], masks=None)
        logits, _ = model.mask_decoder(
            image_embeddings=embedding,
            image_pe=model.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=False,
        )
        shown = F.interpolate(torch.sigmoid(logits), (height, width), mode="bilinear")
    return {"masks": (shown > 0.5).numpy(), "logits": logits.numpy()}


def _micro_sam_predictor(setting: Setting) -> Any:
    from micro_sam.util import get_sam_model

    return get_sam_model(model_type="vit_b", checkpoint_path=setting.checkpoint, device="cpu")


def micro_sam_prompts(setting: Setting) -> Arrays:
    """micro-sam: stored embeddings, `segment_from_*`, `batched_inference`."""
    from micro_sam import prompt_based_segmentation as by_prompt
    from micro_sam.inference import batched_inference
    from micro_sam.util import precompute_image_embeddings

    predictor = _micro_sam_predictor(setting)
    height, width = setting.image.shape[:2]
    with tempfile.TemporaryDirectory() as folder:
        given = {"save_path": f"{folder}/image.zarr", "ndim": 2, "verbose": False}
        stored = precompute_image_embeddings(predictor, setting.image, **given)
        points = np.array([[height // 2, width // 2]])
        labels = np.array([1])
        box = np.array([height // 5, width // 5, height // 2, width // 2])
        masks = {
            "masks_points": by_prompt.segment_from_points(predictor, points, labels, stored),
            "masks_box": by_prompt.segment_from_box(predictor, box, stored),
            "masks_both": by_prompt.segment_from_box_and_points(
                predictor, box, points, labels, stored
            ),
        }
        square = np.zeros((height, width), np.uint8)
        square[box[0] : box[2], box[1] : box[3]] = 1
        masks["masks_mask"] = by_prompt.segment_from_mask(predictor, square, stored)
        boxes = np.stack([box[[1, 0, 3, 2]], box[[1, 0, 3, 2]] + 30])
        masks["masks_batch"] = batched_inference(
            predictor, setting.image, batch_size=2, boxes=boxes, return_instance_segmentation=True
        )
    return {name: np.asarray(mask) > 0 for name, mask in masks.items()}


def micro_sam_everything(setting: Setting) -> Arrays:
    """micro-sam: its generators of all masks, whole and in tiles with a halo."""
    from micro_sam.instance_segmentation import (
        AutomaticMaskGenerator,
        TiledAutomaticMaskGenerator,
    )

    predictor = _micro_sam_predictor(setting)
    thresholds = {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.6}
    found = {}
    for name, generator, tiling in (
        ("whole", AutomaticMaskGenerator, {}),
        ("tiled", TiledAutomaticMaskGenerator, {"tile_shape": (256, 256), "halo": (32, 32)}),
    ):
        amg = generator(predictor, points_per_side=6)
        amg.initialize(setting.image, verbose=False, **tiling)
        masks = amg.generate(**thresholds)
        if isinstance(masks, list):
            found |= {f"{n}_{name}": a for n, a in _records(masks).items()}
        else:
            found[f"masks_{name}"] = np.asarray(masks) > 0
    return found


def micro_sam_adapters(setting: Setting) -> Arrays:
    """micro-sam: LoRA, FacT, scale and shift, and AdaptFormer, one step of training each."""
    import torch
    from micro_sam.models.peft_sam import (
        AdaptFormer,
        FacTSurgery,
        LoRASurgery,
        PEFT_Sam,
        SSFSurgery,
    )

    found = {}
    for module, options in (
        (LoRASurgery, {"rank": 4, "update_matrices": ["q", "k", "v", "mlp"]}),
        (FacTSurgery, {"rank": 4, "dropout": None}),
        (SSFSurgery, {"rank": 4}),
        (AdaptFormer, {"rank": 4}),
    ):
        predictor = _predictor(setting)
        torch.manual_seed(0)
        sam = PEFT_Sam(predictor.model, peft_module=module, **options).sam
        trained = [p for p in sam.image_encoder.parameters() if p.requires_grad]
        predictor.set_image(setting.image)
        sam.image_encoder(torch.ones(1, 3, 1024, 1024)).square().mean().backward()
        with torch.no_grad():
            for parameter in trained:
                if parameter.grad is not None:
                    parameter -= 0.1 * parameter.grad
        predictor.set_image(setting.image)
        found[f"embedding_{module.__name__}"] = predictor.features.numpy()
    return found


def segment_geospatial(setting: Setting) -> Arrays:
    """segment-geospatial: a GeoTIFF of all objects, and masks of a click."""
    import rasterio
    from rasterio.transform import from_origin
    from samgeo import SamGeo

    height, width = setting.image.shape[:2]
    options = {"points_per_side": 8, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.6}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        place = {"crs": "EPSG:32633", "transform": from_origin(4e5, 5e6, 0.5, 0.5)}
        kind = {"driver": "GTiff", "height": height, "width": width, "count": 3, "dtype": "uint8"}
        with rasterio.open(folder / "image.tif", "w", **kind, **place) as file:
            file.write(setting.image.transpose(2, 0, 1))
        named = folder / "sam_vit_b_01ec64.pth"
        named.symlink_to(setting.checkpoint)
        given = {"model_type": "vit_b", "checkpoint_dir": name, "device": "cpu"}
        sam = SamGeo(**given, sam_kwargs=options)
        sam.generate(str(folder / "image.tif"), str(folder / "all.tif"))
        with rasterio.open(folder / "all.tif") as file:
            everything = file.read(1)
        by_click = SamGeo(**given, automatic=False)
        by_click.set_image(str(folder / "image.tif"))
        click = [[width // 2, height // 2]]
        by_click.predict(click, point_labels=1, output=str(folder / "click.tif"))
        with rasterio.open(folder / "click.tif") as file:
            clicked = file.read(1)
    ids = np.unique(everything)
    return {
        "masks_all": np.stack([everything == i for i in ids]),
        "masks_click": clicked > 0,
    }


def cellpose_network(setting: Setting) -> Arrays:
    """cellpose: the network of Cellpose-SAM, a ViT-L with small patches and no windows."""
    import torch
    from cellpose.vit import CPSAM

    torch.manual_seed(0)
    network = CPSAM().eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "rel_pos" in name or "pos_embed" in name:
                parameter.copy_(0.1 * torch.randn_like(parameter))
        found = network(torch.randn(1, 3, 256, 256))
    return {"flows": (found[0] if isinstance(found, tuple) else found).numpy()}


def samexporter_models(setting: Setting) -> Arrays:
    """samexporter: encoder and decoder as ONNX, run by ONNX Runtime."""
    import onnxruntime
    from samexporter import export_decoder, export_encoder

    with tempfile.TemporaryDirectory() as folder:
        encoder, decoder = f"{folder}/encoder.onnx", f"{folder}/decoder.onnx"
        export_encoder.run_export("vit_b", setting.checkpoint, encoder, False, 18)
        export_decoder.run_export("vit_b", setting.checkpoint, decoder, 18, True)
        sessions = [onnxruntime.InferenceSession(path) for path in (encoder, decoder)]
        rng = np.random.default_rng(0)
        pixels = rng.standard_normal((1, 3, 1024, 1024)).astype(np.float32)
        (embedding,) = sessions[0].run(None, {"input_image": pixels})
        masks, scores, low_res = sessions[1].run(
            None,
            {
                "image_embeddings": embedding,
                "point_coords": np.array([[[300, 400], [0, 0]]], np.float32),
                "point_labels": np.array([[1, -1]], np.float32),
                "mask_input": np.zeros((1, 1, 256, 256), np.float32),
                "has_mask_input": np.zeros(1, np.float32),
                "orig_im_size": np.array([300, 400], np.float32),
            },
        )
    return {"masks": masks > 0, "embedding": embedding, "scores": scores, "low_res": low_res}


@dataclass(frozen=True)
class Program:
    """A program, and the distributions that it needs besides `segment-anything`."""

    run: Callable[[Setting], Arrays]
    title: str
    needs: tuple[str, ...] = ()


PROGRAMS = {
    program.run.__name__: program
    for program in (
        Program(predictor_notebook, "Calls of Meta's predictor notebook"),
        Program(everything_notebook, "Calls of Meta's notebook of automatic masks"),
        Program(medsam, "Inference as MedSAM does it"),
        Program(micro_sam_prompts, "micro-sam: prompts, stored embeddings", ("micro-sam",)),
        Program(micro_sam_everything, "micro-sam: automatic masks, also tiled", ("micro-sam",)),
        Program(micro_sam_adapters, "micro-sam: four kinds of adapters", ("micro-sam",)),
        Program(segment_geospatial, "segment-geospatial: `SamGeo`", ("segment-geospatial",)),
        Program(cellpose_network, "cellpose: the network of Cellpose-SAM", ("cellpose",)),
        Program(samexporter_models, "samexporter: encoder and decoder", ("samexporter",)),
    )
}
