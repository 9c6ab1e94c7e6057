"""The parts of a fine-tuning: learning rate, average, losses, memory, processes."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import anymask
from anymask.masks.rle import counts_of
from anymask.model.config import VARIANTS
from anymask.model.sam import ImageEmbedding, Sam
from anymask.training.finetune.answers import answer_loss
from anymask.training.finetune.average import MovingAverage
from anymask.training.finetune.memory_need import Need, need_of
from anymask.training.finetune.prompt_batches import Asked, Batch, first_prompts, generator_of
from anymask.training.finetune.semantic_training import ask_for_classes, class_loss
from anymask.training.finetune.settings import Settings
from anymask.training.finetune.trained_parameters import (
    build_optimizer,
    rate_at,
    trained_parameters,
)
from anymask.training.finetune.training_images import TrainingImage
from anymask.training.losses import MASK_LOSSES, mask_losses, true_iou
from tests.training.finetune.conftest import TINY, tiny_sam


def test_the_rate_rises_to_its_peak_and_falls_to_zero():
    settings = Settings(lr=1.0, warmup=0.1)
    rates = [rate_at(i, 100, settings) for i in range(100)]
    assert rates[:10] == sorted(rates[:10])
    assert rates[9] == rates[10] == max(rates) == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 0.01


def test_an_average_follows_slowly_and_restores_the_weights():
    weight = torch.nn.Parameter(torch.zeros(3))
    average = MovingAverage({"w": weight}, 0.9)
    for _ in range(90):  # afterwards the average has its full memory
        average.update()
    weight.data += 1
    average.update()
    assert torch.allclose(average.values["w"], torch.full((3,), 0.1))
    with average.in_place():
        assert torch.allclose(weight, torch.full((3,), 0.1))
    assert torch.equal(weight, torch.ones(3))
    assert torch.allclose(average.values["w"], torch.full((3,), 0.1))


def test_without_decay_the_average_is_the_weights():
    weight = torch.nn.Parameter(torch.zeros(3))
    average = MovingAverage({"w": weight}, 0.0)
    weight.data += 1
    average.update()
    assert torch.equal(average.values["w"], weight)


@pytest.mark.parametrize("kind", MASK_LOSSES)
def test_losses_fall_towards_the_true_mask(kind):
    targets = torch.zeros(1, 16, 16)
    targets[:, 4:12, 4:12] = 1
    right = 8 * (2 * targets[:, None] - 1)
    values = [float(mask_losses(share * right, targets, kind)) for share in (-1, -0.2, 0, 0.2, 1)]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.01


def test_dice_alone_does_not_depend_on_the_size_of_the_image():
    targets = torch.zeros(1, 16, 16)
    targets[:, 4:12, 4:12] = 1
    logits = torch.where(targets[:, None] > 0, 1.0, -30.0)
    wide = [torch.nn.functional.pad(t, (0, 48, 0, 48), value=v) for t, v in ((logits, -30.0),)]
    wider_targets = torch.nn.functional.pad(targets, (0, 48, 0, 48))
    small, large = (
        mask_losses(x, t, "dice") for x, t in ((logits, targets), (wide[0], wider_targets))
    )
    assert torch.allclose(small, large)
    assert not torch.allclose(
        mask_losses(logits, targets), mask_losses(wide[0], wider_targets), atol=1e-3
    )


def test_the_predicted_iou_moves_towards_the_true_iou():
    targets = torch.zeros(2, 32, 32)
    targets[:, 8:24, 8:24] = 1
    logits = torch.full((2, 4, 16, 16), -5.0)
    logits[:, :, 4:12, 4:8] = 5  # half of it
    iou = torch.full((2, 4), 0.9, requires_grad=True)
    nothing = torch.empty(0)
    loss, figures = answer_loss(logits, iou, Asked("box", targets, nothing), "dice")
    loss.backward()
    assert (iou.grad > 0).all()
    assert figures == {"box": 0.5}


@pytest.mark.parametrize("semantic", [False, True])
def test_a_line_thinner_than_a_low_resolution_pixel_is_learnt(semantic):
    line = torch.zeros(64, 64, dtype=torch.bool)
    line[30:32, :48] = True
    counts = counts_of(line.numpy())
    image = TrainingImage(0, "", "line", (64, 64), (64, 64), "", (counts,), (0,))
    if semantic:
        asked = ask_for_classes([(image, 0)], 1, TINY["vit"], torch.device("cpu"))
    else:
        nothing = ImageEmbedding(torch.empty(0))
        masks = {"box": image.mask(0, 0, 64)[None, None]}
        batch = Batch(nothing, masks, torch.ones(1, 2), torch.tensor([[64, 64]]))
        (asked,) = first_prompts(batch, Settings(), generator_of(0))
    low_res = torch.zeros(1, 1, 16, 16, requires_grad=True)
    optimizer = torch.optim.Adam([low_res], 0.3)
    for _ in range(200):
        optimizer.zero_grad()
        learn = class_loss if semantic else answer_loss
        learn(low_res, torch.zeros(1, 1), asked, "dice+focal")[0].backward()
        optimizer.step()
    used = torch.nn.functional.interpolate(low_res.detach(), scale_factor=4, mode="bilinear")
    assert true_iou(used, line[None].float())[0, 0] > 0.6


def test_the_default_rate_is_lower_for_wider_models_and_for_training_all():
    narrow, wide = (Settings().chosen_for(VARIANTS[name]).rate for name in ("small", "vit_b"))
    assert narrow == 2 * wide
    assert Settings(freeze=()).chosen_for(VARIANTS["small"]).rate < narrow
    assert Settings(lr=0.5).chosen_for(VARIANTS["vit_b"]).rate == 0.5


def test_blended_weights_are_validated_and_the_full_ones_train_on():
    weight = torch.nn.Parameter(torch.full((3,), 2.0))
    average = MovingAverage({"w": weight}, 0.0, blend=0.25)
    weight.data += 4
    average.update()
    with average.in_place():
        assert torch.equal(weight, torch.full((3,), 3.0))
    assert torch.equal(weight, torch.full((3,), 6.0))
    assert torch.equal(average.judged()["w"], torch.full((3,), 3.0))
    weight.data += 4  # earlier updates stay between two validations
    average.update()
    assert torch.equal(average.judged()["w"], torch.full((3,), 4.0))


def test_the_default_blend_is_partial_for_objects_and_full_for_classes():
    config = VARIANTS["small"]
    assert 0 < Settings().chosen_for(config).part < 1
    assert Settings(semantic=True).chosen_for(config).part == 1
    assert Settings(blend=0.3).chosen_for(config).part == 0.3


def test_images_are_augmented_unless_a_vit_must_encode_every_view():
    def views(name, **options):
        return Settings(**options).chosen_for(VARIANTS[name]).views

    assert views("small") == views("vit_t") == 4
    assert views("small", semantic=True) == 2  # an object upside down may be another class
    assert views("vit_b") == views("vit_b", semantic=True) == 1
    assert views("vit_b", lora_rank=4) == 4  # encoded in every step anyway
    assert views("vit_b", augment=7) == 8
    assert views("small", augment=0) == 1


def test_norms_and_biases_do_not_decay():
    sam = tiny_sam()
    settings = Settings(lr=1e-3, weight_decay=0.1)
    parameters = trained_parameters(sam, settings)
    decaying, others = build_optimizer(parameters, settings).param_groups
    assert decaying["weight_decay"] == 0.1
    assert others["weight_decay"] == 0
    assert {p.ndim for p in others["params"]} == {1}
    assert len(decaying["params"]) + len(others["params"]) == len(parameters)


def need(sam: Sam, **options: object) -> Need:
    settings = replace(Settings(), **options)
    trained_parameters(sam, settings)
    return need_of(sam, settings, torch.float32, 100, Path("/"))


def test_larger_batches_and_more_trained_parts_need_more_memory():
    with torch.device("meta"):
        sam = Sam(VARIANTS["vit_b"])
    sam.to_empty(device="cpu")  # memory is not used until it is written
    decoder = need(sam)
    assert decoder.memory < need(sam, batch_size=8).memory
    assert decoder.memory < need(sam, objects_per_image=4).memory
    assert decoder.memory < 4e9
    everything = need(sam, freeze=())
    assert everything.memory > 2 * decoder.memory
    assert "frozen" in everything.advice[0]
    assert 200e6 < decoder.disk < 220e6  # 2 MB per image


def test_a_given_model_counts_twice_because_it_is_copied():
    sam = tiny_sam()
    read, copied = (
        need_of(sam, Settings(), torch.float32, 1, None, copied=copied) for copied in (False, True)
    )
    weights = 4 * sum(p.numel() for p in sam.parameters())
    assert copied.memory - read.memory == pytest.approx(weights)


def test_too_much_memory_is_reported_with_advice():
    enough = Need(1e9, 8e9, 1e6, 1e9, ("use a smaller model",))
    assert enough.sentences() == [
        "Memory: about 1.0 GB of 8.0 free. Embeddings on disk: 1 MB."
    ]  # fmt: skip
    too_much = Need(9e9, 8e9, 2e9, 1e9, ("lower batch_size to 1", "use a smaller model"))
    _, memory, disk = too_much.sentences()
    assert "to reduce it, lower batch_size to 1, or use a smaller model" in memory
    assert "Only 1.0 GB are free for the embeddings" in disk


_PROGRAM = """
import sys
from pathlib import Path
import torch
from tests.training.finetune.conftest import draw_example, tiny_sam
from anymask.training.finetune.loop import finetune
examples = [draw_example(seed) for seed in range(8)]
out = Path(sys.argv[1])
tuned = finetune(
    tiny_sam(), examples[:6], out, validation=examples[6:], device="cpu", dtype="float32",
    cache_dir=out.parent / "cache", epochs=1, batch_size=int(sys.argv[2]), objects_per_image=1,
    prompts=("box",), box_jitter=0.0, corrections=0, average=0.0, lr=1e-3, seed=3,
)
"""


@pytest.mark.slow
def test_two_processes_together_train_as_one_with_twice_the_batch(tmp_path):
    """Nothing is random here except the objects, so that both get the same input."""
    root = Path(anymask.__file__).parents[2]
    program = tmp_path / "program.py"
    program.write_text(_PROGRAM.replace("draw_example(seed)", "draw_example(seed, objects=1)"))
    environment = {
        **os.environ, "PYTHONPATH": f"{root / 'src'}:{root}", "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    for command, out, batch in (([sys.executable], "one", "4"), (launch, "two", "2")):
        done = subprocess.run(
            [*command, str(program), str(tmp_path / out), batch],
            env=environment, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
    from anymask.training.finetune.run import LAST
    from anymask.training.finetune.training_state import read_tensors

    one, two = (read_tensors(tmp_path / out / LAST)[0] for out in ("one", "two"))
    start = dict(tiny_sam().named_parameters())
    for name in one:
        if name.startswith("weight/"):
            torch.testing.assert_close(one[name], two[name], atol=3e-4, rtol=1e-3)
    moved = [n for n in one if n.startswith("weight/") and not torch.equal(one[n], start[n[7:]])]
    assert moved
