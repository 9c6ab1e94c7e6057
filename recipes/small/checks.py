"""Checks before a training starts; each problem is reported in one sentence."""

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
    """Check the time, the number of prompts and the number of processes.

    Raises
    ------
    AnymaskError
        If the time is 0, prompts are too few, or several processes would share a GPU.
    """
    if not minutes > 0:
        raise AnymaskError(f"The training time is {minutes:g} minutes; give more than 0.")
    if processes > 1 and device != "cpu":
        raise AnymaskError(
            f"--processes {processes} is for the CPU, but the device is {device}; leave it out."
        )
    if recipe.prompts < 2:
        raise AnymaskError(
            f"The number of prompts per image is {recipe.prompts}; give at least 2 prompts, "
            "because half of them are boxes and half points."
        )


def check_beginning(
    out: Path, resume: bool, start_from: Path | None, teacher: Path | None, config: SamConfig
) -> None:
    """Check that the start of a training fits the folder and the architecture.

    Raises
    ------
    AnymaskError
        If `out` contains a training but `resume` is not set, or the other way round; or if two
        different starts are given.
    CheckpointError
        If the state cannot be resumed, or the weights are of another architecture.
    """
    state = out / "state.pt"
    exists = os.path.exists(state)  # also if the folder cannot be listed
    given = {"--resume": resume, "--start-from": start_from, "--teacher": teacher}
    ways = [option for option, value in given.items() if value]
    if len(ways) > 1:
        raise AnymaskError(
            f"{' and '.join(ways)} are different ways to start a training; give one of them."
        )
    if exists and not resume:
        raise AnymaskError(f"{out} already contains a training; use --resume or another folder.")
    if resume and not exists:
        raise AnymaskError(
            f"{out} contains no training to resume; leave out --resume to start one."
        )
    if resume:
        _check_state(state, config)
    if start_from is not None:
        sam = load(start_from, device="cpu", dtype="float32")
        if not _fits(sam.state_dict(), config):
            raise CheckpointError(
                f"{start_from} is a {describe(sam.config)}; give weights of the architecture to "
                "train, exported by an earlier training, or give them as --teacher."
            )


def _check_state(path: Path, config: SamConfig) -> None:
    begin_anew = (
        f"start a training in another folder, with --start-from "
        f"{path.with_name('weights.safetensors')} if that file is intact"
    )
    try:
        # Mapped: the directory of the file is at its end, so little else is read.
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except _DAMAGE as error:
        raise CheckpointError(
            f"{path} is damaged and cannot be resumed ({type(error).__name__}); {begin_anew}."
        ) from error
    if not isinstance(state, dict) or not state.keys() >= _STATE or not _fits(state["sam"], config):
        raise CheckpointError(
            f"{path} is not the state of a training that this version can resume; {begin_anew}."
        )


def _fits(state: dict[str, Tensor], config: SamConfig) -> bool:
    """Whether tensors have the names and shapes of an architecture."""
    own = Sam(config).state_dict()
    return {k: v.shape for k, v in state.items()} == {k: v.shape for k, v in own.items()}
