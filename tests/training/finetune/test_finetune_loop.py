"""Whole fine-tunings: what changes, what is kept, stopping and resuming."""

from __future__ import annotations

import inspect
import json
import shutil
from dataclasses import fields

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from anymask.checkpoints import load
from anymask.errors import OutputError
from anymask.training.finetune import loop, run
from anymask.training.finetune.loop import finetune
from anymask.training.finetune.progress import Progress
from anymask.training.finetune.settings import FineTuneError, Settings
from tests.training.finetune.conftest import FAST, draw_example, tiny_sam


@pytest.fixture
def tune(tmp_path, sam, examples):
    """Fine-tune the tiny model, two images of eight held out, with options over the fast ones."""

    def call(out="out", model=sam, data=examples[:6], validation=examples[6:], **options):
        return finetune(
            model,
            data,
            tmp_path / out,
            validation=validation,
            device="cpu",
            dtype=options.pop("dtype", "float32"),
            cache_dir=tmp_path / "cache",
            **{**FAST, **options},
        )

    return call


def _ever_better(patch):
    patch.setattr(run.Run, "validate", lambda self: {"val_score": float(self.average.updates)})


@pytest.fixture
def ever_better(monkeypatch):
    """Make each epoch count as better than the previous one, so that trained weights are kept."""
    _ever_better(monkeypatch)


@pytest.fixture(scope="module")
def finished_once(tmp_path_factory):
    """A run of two epochs with `tune`'s options and `ever_better`, and its embeddings."""
    folder, examples = tmp_path_factory.mktemp("finished"), [draw_example(i) for i in range(8)]
    with pytest.MonkeyPatch.context() as patch:
        _ever_better(patch)
        return finetune(
            tiny_sam(), examples[:6], folder / "out", validation=examples[6:], device="cpu",
            dtype="float32", cache_dir=folder / "cache", **FAST,
        )  # fmt: skip


@pytest.fixture
def finished(finished_once, tmp_path):
    """The same run, as if `tune` had made it in this test."""
    shutil.copytree(finished_once.folder.parent, tmp_path, dirs_exist_ok=True)
    return finished_once


def weights_of(sam):
    return {name: t.clone() for name, t in sam.state_dict().items()}


def changed(before, after):
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_training_improves_held_out_masks(tune):
    tuned = tune(epochs=6, lr=5e-3, objects_per_image=2, average=0.6, blend=1)
    assert tuned.best > 0
    assert tuned.after["val_box_iou"] > tuned.before["val_box_iou"] + 0.15
    assert tuned.after["val_iou_error"] < tuned.before["val_iou_error"]


@pytest.mark.parametrize(
    ("freeze", "parts"),
    [
        ({}, {"mask_decoder"}),
        ({"freeze": ()}, {"image_encoder", "prompt_encoder", "mask_decoder"}),
        ({"freeze": ("image_encoder",)}, {"prompt_encoder", "mask_decoder"}),
        ({"freeze": ("image_encoder", "mask_decoder")}, {"prompt_encoder"}),
    ],
)
def test_exactly_the_parts_that_are_not_frozen_change_and_the_given_model_does_not(
    tune, sam, freeze, parts, ever_better
):
    before = weights_of(sam)
    moved = changed(before, tune(epochs=1, **freeze).sam.state_dict())
    assert {name.split(".")[0] for name in moved} == parts
    assert not changed(before, sam.state_dict())


def test_the_weights_depend_on_the_seed(tune, ever_better):
    first, again, other = (
        tune(out, seed=seed, lr=3e-3, epochs=1).sam.state_dict()
        for out, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert not changed(first, again)
    assert changed(first, other)


@pytest.mark.parametrize("options", [{}, {"freeze": ()}, {"lora_rank": 2}, {"augment": 3}])
def test_a_killed_and_resumed_run_gives_the_same_weights(
    tune, tmp_path, monkeypatch, options, ever_better
):
    whole = tune("whole", **options)

    class Killed(BaseException):
        pass

    real, calls = loop.train_epoch, []

    def dies_in_the_second_epoch(run, epoch):
        calls.append(epoch)
        if epoch == 2:
            for name in run.parameters.values():
                name.data.add_(1.0)  # weights may have any value halfway through an epoch
            raise Killed
        return real(run, epoch)

    monkeypatch.setattr(loop, "train_epoch", dies_in_the_second_epoch)
    with pytest.raises(Killed):
        tune("parts", **options)
    monkeypatch.setattr(loop, "train_epoch", real)
    resumed = tune("parts", resume=True, **options)
    assert calls == [1, 2]
    assert not changed(weights_of(whole.sam), resumed.sam.state_dict())
    last = [run.read_tensors(tmp_path / out / run.LAST)[0] for out in ("whole", "parts")]
    assert not changed(*last)
    for a, b in zip(whole.history, resumed.history, strict=True):
        assert {k: v for k, v in a.items() if k != "seconds"} == {
            k: v for k, v in b.items() if k != "seconds"
        }


def test_a_folder_with_a_fine_tuning_is_not_overwritten(tune, finished):
    with pytest.raises(FineTuneError, match="already has a fine-tuning; continue it"):
        tune()


def test_resuming_a_finished_run_changes_nothing(tune, finished, tmp_path):
    before = load_file(tmp_path / "out/model.safetensors")
    tune(resume=True)
    assert not changed(before, load_file(tmp_path / "out/model.safetensors"))


def test_a_finished_run_can_be_given_more_epochs(tune, finished, tmp_path, ever_better):
    # Best weights of a run that was killed before it wrote its state.
    (tmp_path / "out/best-0099.safetensors").write_bytes(b"of an epoch that is no part of it")
    tuned = tune(epochs=3, resume=True)
    assert [row["epoch"] for row in tuned.history] == [0, 1, 2, 3]
    assert tuned.best == 3
    assert [p.name for p in (tmp_path / "out").glob("best-*")] == ["best-0003.safetensors"]


def test_a_run_on_other_images_settings_or_weights_is_not_resumed(tune, finished, examples):
    with pytest.raises(FineTuneError, match=r"training data differs.*start again"):
        tune(resume=True, data=[draw_example(99), *examples[1:6]])
    with pytest.raises(FineTuneError, match=r"has objects_per_image 1, not 2"):
        tune(resume=True, objects_per_image=2)
    with pytest.raises(FineTuneError, match="starting model differs"):
        model = tiny_sam()
        with torch.no_grad():
            model.mask_decoder.iou_token.weight.mul_(2)
        tune(resume=True, model=model)


def test_a_damaged_state_is_reported_and_kept(tune, finished, tmp_path):
    (tmp_path / "out" / run.LAST).write_bytes(b"not a state")
    with pytest.raises(FineTuneError, match="damaged"):
        tune(resume=True)
    assert load(tmp_path / "out/model.safetensors", device="cpu").config.name == "tiny_small"


def test_training_stops_after_patience_epochs_without_improvement(tune, monkeypatch):
    scores = iter([0.5, 0.6, 0.6, 0.55, 0.9])
    monkeypatch.setattr(run.Run, "validate", lambda self: {"val_score": next(scores)})
    tuned = tune(epochs=50, patience=2)
    assert [row["epoch"] for row in tuned.history] == [0, 1, 2, 3]
    assert tuned.best == 1


def test_without_improvement_the_original_weights_are_kept(tune, sam, monkeypatch):
    monkeypatch.setattr(
        run.Run, "validate", lambda self: {"val_score": -float(self.average.updates)}
    )
    tuned = tune(lr=1e-2)
    assert tuned.best == 0
    assert not changed(weights_of(sam), tuned.sam.state_dict())


def test_a_loss_that_is_not_finite_stops_training_and_keeps_the_best_weights(
    tune, tmp_path, monkeypatch
):
    real = loop.answer_loss

    def breaks(low_res, iou, asked, kind):
        loss, figures = real(low_res, iou, asked, kind)
        breaks.calls += 1
        return loss * float("nan") if breaks.calls > 20 else loss, figures

    breaks.calls = 0
    monkeypatch.setattr(loop, "answer_loss", breaks)
    with pytest.raises(FineTuneError, match=r"became not a number in epoch 2; the weights of"):
        tune(epochs=4)
    kept = load(tmp_path / "out/model.safetensors", device="cpu", dtype="float32")
    assert all(t.isfinite().all() for t in kept.state_dict().values())
    assert len((tmp_path / "out/metrics.csv").read_text().splitlines()) == 3  # head, 0, 1


def test_a_full_disk_keeps_the_previous_state(tune, finished, tmp_path, monkeypatch):
    import errno

    from anymask.training.finetune import training_state

    real, written = training_state.save, []

    def fills_up(tensors, metadata=None):
        written.append(1)
        if len(written) > 2:  # the second epoch's
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(tensors, metadata)

    def write(path, tensors, facts):
        kept = {n: t.detach().cpu().contiguous() for n, t in tensors.items()}
        with training_state.whole_file(path) as temporary:
            temporary.write_bytes(fills_up(kept, {training_state._KEY: json.dumps(facts)}))

    _ever_better(monkeypatch)
    monkeypatch.setattr(run, "write_tensors", write)
    with pytest.raises(OutputError, match="disk is full"):
        tune("full")
    monkeypatch.undo()
    assert not list((tmp_path / "full").glob(".anymask-*"))
    _ever_better(monkeypatch)
    resumed = tune("full", resume=True)
    assert [row["epoch"] for row in resumed.history] == [0, 1, 2]
    assert not changed(weights_of(finished.sam), resumed.sam.state_dict())


def test_one_image_or_none_with_objects_is_refused(tune, examples):
    with pytest.raises(FineTuneError, match=r"at least two images.*1 was given"):
        tune(data=examples[:1], validation=None)
    with pytest.raises(FineTuneError, match="None of the 1 training images has an object"):
        tune(data=[draw_example(0, objects=0)])


def test_images_without_objects_are_left_out_and_reported(tune, examples):
    class Told(Progress):
        said: list[str] = []  # noqa: RUF012

        def say(self, sentence):
            self.said.append(sentence)

    tune(data=[*examples[:6], draw_example(20, objects=0)], progress=Told())
    assert "1 of 7 training images have no object and are left out." in Told.said


def test_a_wrong_option_is_named(tune):
    for option, message in (
        ({"loss": "dise"}, "loss is 'dise'; it can be dice"),
        ({"epochs": 0}, "epochs is 0"),
        ({"freeze": ("encoder",)}, "freeze is 'encoder'"),
        ({"lr": float("nan")}, "lr is nan"),
        ({"lora_rank": 4, "freeze": ()}, "Low-rank updates need a frozen image encoder"),
    ):
        with pytest.raises(FineTuneError, match=message):
            tune(**option)


def test_half_precision_that_overflows_is_refused(tune):
    with pytest.raises(FineTuneError, match="bfloat16 or float32"):
        tune(dtype="float16")


def test_accumulating_two_batches_equals_one_batch_of_twice_the_size(tune, ever_better):
    """Prompts are exact boxes here, so that nothing is random."""
    options = {
        "epochs": 1, "prompts": ("box",), "box_jitter": 0.0, "corrections": 0, "average": 0.0,
        "lr": 1e-3,
    }  # fmt: skip
    one = [draw_example(i, objects=1) for i in range(4)]
    whole = tune("a", data=one, batch_size=4, **options)
    parts = tune("b", data=one, batch_size=2, accumulate=2, **options)
    a, b = (t.sam.mask_decoder.mask_tokens.weight for t in (whole, parts))
    assert whole.best == parts.best == 1
    np.testing.assert_allclose(a.detach(), b.detach(), atol=2e-5)


def test_the_signature_has_every_setting_with_its_default():
    parameters = inspect.signature(loop.finetune).parameters
    for each in fields(Settings):
        assert parameters[each.name].default == each.default, each.name
        assert each.name in loop.finetune.__doc__
