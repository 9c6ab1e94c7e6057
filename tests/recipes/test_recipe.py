"""The training loop learns, and continues after it was killed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from anymask.model.config import SamConfig
from anymask.model.sam import Sam
from recipes.small.batches import Batch, BatchMaker
from recipes.small.cache import ImageCache
from recipes.small.optimizer import build_optimizers
from recipes.small.recipe import Recipe, train
from recipes.small.stages import train_in_stages
from tests.recipes.tiny import TINY

RECIPE = Recipe(
    side=64,
    batch_size=2,
    prompts=2,
    warmup_images=8,
    learning_rate=1e-3,
    matrix_rate=1e-3,
    ema=0.95,
    log_images=8,  # every 4 updates
)


def _log(out: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def _train(
    cache: ImageCache, out: Path, updates: int, finish: bool = False, recipe: Recipe = RECIPE
) -> Path:
    return train(
        [(cache, 1.0)],
        out,
        recipe=recipe,
        config=TINY,
        updates=updates,
        finish=finish,
        report=lambda _: None,
    )


def _interrupted(cache: ImageCache, out: Path, before_update: int, updates: int) -> None:
    """Stop a finishing run, as Ctrl-C does."""

    made = iter(range(before_update))

    def stream(self: BatchMaker) -> Iterator[Batch]:
        for _ in made:
            yield self.batch()
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BatchMaker, "stream", stream)
        with pytest.raises(KeyboardInterrupt):
            _train(cache, out, updates, finish=True)


def _state(out: Path) -> dict[str, dict[str, float]]:
    return torch.load(out / "state.pt", weights_only=True)


@pytest.mark.slow
def test_the_loss_falls_and_a_resumed_run_continues_without_a_jump(
    cache: ImageCache, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    recipe = replace(RECIPE, log_images=16)
    _train(cache, out, 64, recipe=recipe)
    _train(cache, out, 16, recipe=recipe)
    log = _log(out)
    assert [r["updates"] for r in log] == list(range(8, 81, 8))
    losses = [r["loss"] for r in log]
    # Means of several lines, because the loss of one line (sixteen images) varies by a fifth.
    first, before, after = losses[0], np.mean(losses[4:8]), np.mean(losses[8:])
    assert before < 0.8 * first
    assert after < before + 0.2 * (first - before)


def test_the_rate_warms_up_and_a_weight_of_zero_turns_the_dense_losses_off(
    cache: ImageCache, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    recipe = replace(RECIPE, warmup_images=8, log_images=2, auxiliary_weight=0.0)
    train([(cache, 1.0)], out, recipe=recipe, config=TINY, updates=5, report=lambda _: None)
    rates = [r["learning_rate"] / RECIPE.learning_rate for r in _log(out)]
    assert rates == pytest.approx([0.25, 0.5, 0.75, 1, 1])
    assert not any("auxiliary" in r for r in _log(out))


def test_a_finishing_run_reduces_the_learning_rate(cache: ImageCache, tmp_path: Path) -> None:
    out = tmp_path / "run"
    _train(cache, out, 8, finish=True)
    rates = [r["learning_rate"] / RECIPE.learning_rate for r in _log(out)]
    assert rates == pytest.approx([1, 0.25])


@pytest.mark.slow
def test_an_interrupted_decay_continues_and_a_completed_one_starts_again(
    cache: ImageCache, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    _interrupted(cache, out, before_update=5, updates=7)
    factor = _state(out)["progress"]["factor"]
    assert factor == pytest.approx(3 / 3.5)
    _train(cache, out, 3, finish=True)
    assert [r["updates"] for r in _log(out)] == [4, 8]
    rate = RECIPE.learning_rate
    assert _log(out)[1]["learning_rate"] == pytest.approx(1 / 1.5 * factor * rate)
    _train(cache, out, 4)
    assert _log(out)[2]["learning_rate"] == RECIPE.learning_rate


@pytest.mark.slow
def test_the_last_views_of_a_finishing_run_are_larger_and_the_decay_continues(
    cache: ImageCache, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    sides, lines = [], []
    with pytest.MonkeyPatch.context() as patch:
        made = BatchMaker.batch

        def batch(self: BatchMaker) -> Batch:
            found = made(self)
            sides.append(tuple(found.images.shape))
            return found

        patch.setattr(BatchMaker, "batch", batch)
        recipe = replace(RECIPE, batch_size=4, last_side=128, last_share=0.5, finish_share=1.0)
        train_in_stages(
            [(cache, 1.0)],
            out,
            recipe=recipe,
            config=TINY,
            updates=8,
            finish=True,
            report=lines.append,
        )
    small, large = (4, 3, 64, 64), (1, 3, 128, 128)
    # Batches are made in advance, so a few batches of each stage are not used.
    assert set(sides) == {small, large}
    assert sides == sorted(sides, key=lambda shape: shape[2])
    assert 4 <= sides.count(small) <= 14
    assert 16 <= sides.count(large) <= 26
    assert "views of 128 pixels from here on" in lines
    rates = [r["learning_rate"] / RECIPE.learning_rate for r in _log(out)]
    assert rates == pytest.approx([0.875, 0.625, 0.4688, 0.1563], abs=1e-3)
    assert _state(out)["progress"]["factor"] == 1


def test_all_views_have_one_size_if_the_last_side_is_no_larger(
    cache: ImageCache, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    recipe = replace(RECIPE, last_side=RECIPE.side)
    lines: list[str] = []
    options = {"config": TINY, "updates": 4, "finish": True, "report": lines.append}
    train_in_stages([(cache, 1.0)], out, recipe=recipe, **options)
    assert [r["updates"] for r in _log(out)] == [4]
    assert not any("from here on" in line for line in lines)


def test_an_interrupted_training_is_saved(cache: ImageCache, tmp_path: Path) -> None:
    out = tmp_path / "run"
    _interrupted(cache, out, before_update=3, updates=100)
    assert _state(out)["progress"]["updates"] == 3
    _train(cache, out, 1)
    assert _state(out)["progress"]["updates"] == 4


def test_the_log_stays_in_order_after_a_kill(cache: ImageCache, tmp_path: Path) -> None:
    out = tmp_path / "run"
    recipe = replace(RECIPE, log_images=2)
    _train(cache, out, 1, recipe=recipe)
    state = (out / "state.pt").read_bytes()
    _train(cache, out, 1, recipe=recipe)
    # As if killed in the middle of a line, some time after the state was saved.
    (out / "state.pt").write_bytes(state)
    with (out / "log.jsonl").open("a") as file:
        file.write('{"kind": "train", "upd')
    _train(cache, out, 2, recipe=recipe)
    assert [r["updates"] for r in _log(out)] == [1, 2, 3]
    (out / "state.pt").unlink()
    _train(cache, out, 1, recipe=recipe)
    assert [r["updates"] for r in _log(out)] == [1]


@pytest.fixture(scope="module")
def trained(
    cache: ImageCache, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, torch.Tensor]]:
    """The weights that a run of two updates exported, and those of the model that it evaluated."""
    seen: list[dict[str, torch.Tensor]] = []

    def evaluate(sam: Sam) -> dict[str, float]:
        seen.append({k: v.clone() for k, v in sam.state_dict().items()})
        return {"box": 0.5}

    out = tmp_path_factory.mktemp("trained") / "run"
    options = {"config": TINY, "updates": 2, "evaluate": evaluate, "report": lambda _: None}
    return train([(cache, 1.0)], out, recipe=RECIPE, **options), seen[-1]


def test_the_evaluated_model_is_the_exported_model(
    trained: tuple[Path, dict[str, torch.Tensor]],
) -> None:
    weights, evaluated = trained
    exported = load_file(weights)
    assert all(torch.equal(exported[k].float(), v.float()) for k, v in evaluated.items())
    assert (weights.parent / "curves.png").exists()


def test_the_export_contains_its_configuration_in_half_precision(
    trained: tuple[Path, dict[str, torch.Tensor]],
) -> None:
    with safe_open(trained[0], "pt") as file:
        assert SamConfig.from_dict(json.loads(file.metadata()["anymask_config"])) == TINY
        dtypes = {k: file.get_tensor(k).dtype for k in file.keys()}  # noqa: SIM118
    coordinates = {k for k in dtypes if "gaussian_matrix" in k}
    assert all(dtypes[k] == torch.float32 for k in coordinates)
    assert all(t == torch.float16 for k, t in dtypes.items() if k not in coordinates)


def test_a_training_can_start_from_the_weights_of_another(
    cache: ImageCache, trained: tuple[Path, dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    # With such a long warm-up, one update hardly changes the weights.
    careful = replace(RECIPE, warmup_images=10**6)
    again = train(
        [(cache, 1.0)],
        tmp_path / "second",
        recipe=careful,
        config=TINY,
        updates=1,
        start_from=trained[0],
        report=lambda _: None,
    )
    before, after = load_file(trained[0]), load_file(again)
    assert all(torch.allclose(after[k].float(), before[k].float(), atol=1e-2) for k in before)


def test_frozen_stages_of_the_backbone_keep_their_weights(
    cache: ImageCache, trained: tuple[Path, dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    frozen = replace(RECIPE, frozen_stages=2, warmup_images=0)
    out = train(
        [(cache, 1.0)],
        tmp_path / "second",
        recipe=frozen,
        config=TINY,
        updates=3,
        start_from=trained[0],
        report=lambda _: None,
    )
    before, after = load_file(trained[0]), load_file(out)
    backbone = [name for name in before if ".stem." in name or ".stages." in name]
    kept = [name for name in backbone if torch.equal(before[name], after[name])]
    parts = ("stem.", "stages.0.", "stages.1.")
    assert kept == [name for name in backbone if name.split("encoder.")[1].startswith(parts)]


def test_every_parameter_has_exactly_one_optimiser_and_is_updated() -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3),
        torch.nn.Conv2d(8, 8, 3, groups=8),
        torch.nn.Flatten(),
        torch.nn.LazyLinear(4),
    )
    x = torch.randn(2, 3, 8, 8)
    module(x)
    before = [p.detach().clone() for p in module.parameters()]
    optimizers = build_optimizers([module], 1e-2, 1e-2, 0.0)
    module(x).square().sum().backward()
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad()
    assert all(p.grad is None for p in module.parameters())
    moved = [not torch.equal(p, b) for p, b in zip(module.parameters(), before, strict=True)]
    assert all(moved)
    count = sum(len(g["params"]) for o in optimizers for g in o.param_groups)
    assert count == len(before)


@pytest.mark.slow
def test_two_processes_train_like_one_process_with_twice_the_views(
    cache: ImageCache, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shared = replace(RECIPE, accumulate=2, log_images=32)
    for updates in (3, 5):  # the second call resumes
        train(
            [(cache, 1.0)],
            out,
            recipe=shared,
            config=TINY,
            updates=updates,
            processes=2,
            report=lambda _: None,
        )
    (line,) = _log(out)
    assert line["updates"] == 8
    assert line["images"] == 8 * 2 * RECIPE.batch_size
    alone = tmp_path / "alone"
    train(
        [(cache, 1.0)],
        alone,
        recipe=shared,
        config=TINY,
        updates=8,
        report=lambda _: None,
    )
    assert line["loss"] == pytest.approx(_log(alone)[0]["loss"], rel=0.15)
