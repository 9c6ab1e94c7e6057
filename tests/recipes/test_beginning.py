"""A training starts with an ImageNet backbone and, optionally, with a teacher's decoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from anymask.checkpoints import load
from anymask.model.efficientnet_encoder import EfficientNetLiteEncoder
from anymask.model.sam import Sam
from recipes.small.batches import BatchMaker
from recipes.small.cache import ImageCache
from recipes.small.imagenet import LITE, imagenet_file, load_imagenet
from recipes.small.run import pretrain
from recipes.small.warm_start import imitate
from tests.recipes.disk_sets import write_disks
from tests.recipes.test_recipe import RECIPE
from tests.recipes.tiny import TINY

EGYPTIAN_CAT, ESPRESSO = 285, 967


def _classified(backbone: str, image: np.ndarray) -> int:
    """The class predicted by the whole classification network; its head is only in the file."""
    sam = Sam(TINY)
    encoder = EfficientNetLiteEncoder(LITE[backbone][0], 256, 128).eval()
    load_imagenet(encoder, imagenet_file(backbone), sam.pixel_mean, sam.pixel_std)
    state = torch.load(imagenet_file(backbone), weights_only=True)
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    square = Image.fromarray(image[top : top + side, left : left + side]).resize((256, 256))
    pixels = torch.from_numpy(np.array(square)).permute(2, 0, 1).float()
    with torch.inference_mode():
        x = encoder.backbone(((pixels - sam.pixel_mean) / sam.pixel_std)[None])[-1]
        x = torch.nn.functional.conv2d(x, state["_conv_head.weight"])
        norm = ("running_mean", "running_var", "weight", "bias")
        x = torch.nn.functional.batch_norm(x, *(state[f"_bn1.{n}"] for n in norm), eps=1e-3)
        x = x.clamp(0, 6).mean((2, 3))
        return int((x @ state["_fc.weight"].t() + state["_fc.bias"]).argmax())


@pytest.mark.parametrize("backbone", list(LITE))
def test_the_backbone_classifies_a_cat_and_a_cup(backbone: str) -> None:
    assert _classified(backbone, data.cat()) == EGYPTIAN_CAT
    assert _classified(backbone, data.coffee()) == ESPRESSO


@pytest.mark.slow
def test_an_encoder_learns_the_features_of_a_teacher_its_neck_first(cache: ImageCache) -> None:
    torch.manual_seed(0)
    teacher = Sam(TINY).eval()
    sam = Sam(TINY)
    backbone = [p.detach().clone() for p in sam.image_encoder.backbone_parameters()]
    grey = sam.pixel_mean
    maker = BatchMaker([(cache, 1.0)], 64, 4, 2, grey, 0, torch.device("cpu"))
    losses: list[float] = []
    unchanged: list[bool] = []

    def report(line: str) -> None:
        losses.append(float(line.split(": ")[-1].split()[0]))
        now = sam.image_encoder.backbone_parameters()
        unchanged.append(all(map(torch.equal, backbone, now)))

    imitate(sam, teacher, maker, 4 * 62, report)  # of the lines, the first three are the neck's
    assert losses[-1] < 0.6 * losses[0]
    assert unchanged == [True] * 3 + [False] * (len(losses) - 3)
    assert all(p.requires_grad for p in sam.image_encoder.backbone_parameters())
    for part in ("prompt_encoder", "mask_decoder"):
        own, known = getattr(sam, part).state_dict(), getattr(teacher, part).state_dict()
        assert all(torch.equal(own[name], known[name]) for name in known)


@pytest.mark.slow
def test_a_training_with_a_teacher_starts_from_the_decoder_of_the_teacher(tmp_path: Path) -> None:
    data_set = write_disks(tmp_path / "data" / "disks", 6)
    options = {"config": TINY, "backbone": None, "drawn": 0, "minutes": 0.001, "recipe": RECIPE}
    quiet = {"report": lambda _: None}
    taught = pretrain([data_set], tmp_path / "first", **options, **quiet)
    pretrain([data_set], tmp_path / "second", teacher=taught, teacher_views=16, **options, **quiet)
    beginning = load(tmp_path / "second" / "beginning.safetensors", dtype="float32")
    known = load(taught, dtype="float32").mask_decoder.state_dict()
    own = beginning.mask_decoder.state_dict()
    assert all(torch.equal(own[name], known[name]) for name in known)
