"""What is wrong with a training before hours of work begin, each in one sentence."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import torch
from torch import Tensor

from anymask.checkpoints import load
from anymask.checkpoints.geometry import describe
from anymask.errors import AnymaskError, CheckpointError
from anymask.model.config import SamConfig
from anymask.model.sam import Sam
from recipes.small.recipe import Recipe

_STATE = frozenset({"sam", "auxiliary", "ema", "optimizers", "generator", "progress"})
_DAMAGE = (OSError, RuntimeError, ValueError, KeyError, EOFError, pickle.UnpicklingError)


def check_figures(recipe: Recipe, minutes: float, processes: int, device: str) -> None:
    """Refuse a time and a recipe that nothing can be trained with.

    Raises
    ------
    AnymaskError
        If there is no time, too few masks are asked for, or several processes are to share a GPU.
    """
    if not minutes > 0:
        raise AnymaskError(f"The time to train is {minutes:g} minutes; give more than 0.")
    if processes > 1 and device != "cpu":
        raise AnymaskError(
            f"--processes {processes} is for the CPU, and the device is {device}; leave it out."
        )
    if recipe.prompts < 2:
        raise AnymaskError(
            f"{recipe.prompts} masks are asked for of each image; give at least 2 prompts, as half "
            "of them are boxes and half points."
        )


def check_beginning(
    out: Path, resume: bool, start_from: Path | None, teacher: Path | None, config: SamConfig
) -> None:
    """Refuse a beginning that does not fit what is in the folder, or the geometry.

    Raises
    ------
    AnymaskError
        If `out` holds a training and is not to be resumed, or the other way round, or if both the
        state in it and weights are to be begun with, or weights and a teacher.
    CheckpointError
        If the state cannot be resumed, or the weights are of another geometry.
    """
    state = out / "state.pt"
    exists = os.path.exists(state)  # also where the folder may not be looked into
    given = {"--resume": resume, "--start-from": start_from, "--teacher": teacher}
    ways = [option for option, value in given.items() if value]
    if len(ways) > 1:
        raise AnymaskError(
            f"{' and '.join(ways)} are different ways to begin a training; give one of them."
        )
    if exists and not resume:
        raise AnymaskError(f"{out} holds a training already; go on with --resume or name another.")
    if resume and not exists:
        raise AnymaskError(f"{out} holds no training to resume; leave --resume out to start one.")
    if resume:
        _check_state(state, config)
    if start_from is not None:
        sam = load(start_from, device="cpu", dtype="float32")
        if not _fits(sam.state_dict(), config):
            raise CheckpointError(
                f"{start_from} is a {describe(sam.config)}; give weights of the geometry that is "
                "trained, as an earlier training wrote them, or name them as --teacher."
            )


def _check_state(path: Path, config: SamConfig) -> None:
    begin_anew = (
        f"begin a training in another folder, with --start-from "
        f"{path.with_name('weights.safetensors')} if that is whole"
    )
    try:
        # Mapped: the file's directory is at its end, so that nothing more need be read.
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except _DAMAGE as error:
        raise CheckpointError(
            f"{path} is damaged and cannot be resumed ({type(error).__name__}); {begin_anew}."
        ) from error
    if not isinstance(state, dict) or not state.keys() >= _STATE or not _fits(state["sam"], config):
        raise CheckpointError(
            f"{path} is no state of a training that this version can resume; {begin_anew}."
        )


def _fits(state: dict[str, Tensor], config: SamConfig) -> bool:
    """Whether tensors are those of a geometry."""
    own = Sam(config).state_dict()
    return {k: v.shape for k, v in state.items()} == {k: v.shape for k, v in own.items()}
