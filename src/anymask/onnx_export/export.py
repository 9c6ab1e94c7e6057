"""Write a model as ONNX files, and say how far they are from it."""

from __future__ import annotations

import copy
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray

from anymask.checkpoints.exported import DECODER, ENCODER, FACTS, FORMAT, open_exported
from anymask.checkpoints.loading import load
from anymask.errors import AnymaskError
from anymask.files import check_free, whole_folder
from anymask.images.image import Image
from anymask.images.normalize import rgb_of
from anymask.model.config import Sam2Config
from anymask.model.onnx_sam import refuse_exported
from anymask.model.sam import Sam
from anymask.onnx_export.graphs import graph_of, onnx, save_graph
from anymask.onnx_export.meta import MetaDecoder, MetaEncoder
from anymask.onnx_export.networks import DecoderNetwork, EncoderNetwork
from anymask.onnx_export.parity import Parity, drawn_image, parity
from anymask.onnx_export.weights import Stored, store
from anymask.predict.embeddings import model_hash


@dataclass(frozen=True)
class Exported:
    """What `export_onnx` wrote.

    Attributes
    ----------
    folder : Path
    sizes : dict
        Bytes of each file by its name.
    parity : Parity
        Differences to the model in torch. With Meta's contract they are those of the same weights
        under our own inputs and outputs.
    """

    folder: Path
    sizes: dict[str, int]
    parity: Parity


def export_onnx(
    model: str | os.PathLike[str] | Sam | None,
    folder: str | os.PathLike[str],
    *,
    weights: Stored = "float32",
    image_size: int | None = None,
    meta: bool = False,
    single_mask: bool = False,
    image: NDArray[np.uint8] | Image | None = None,
    overwrite: bool = False,
) -> Exported:
    """Export a model to ONNX, for use without torch or by other programs.

    The folder gets ``encoder.onnx``, ``decoder.onnx`` and ``model.json``, which says what the model
    is and how far its masks are from torch's; :func:`anymask.load` opens it. Everything is computed
    in float32, whatever the weights are stored in.

    Parameters
    ----------
    model : str, path, Sam or None
        As for :func:`anymask.load`.
    folder : path
        To be written, whole or not at all.
    weights : {"float32", "float16", "int8"}
        What large weights are stored in. "float16" halves the files; "int8" stores those of the
        encoder in 8 bits, a quarter, and those of the decoder in 16.
    image_size : int, optional
        Side in pixels of the square that the encoder sees, if not the model's own.
    meta : bool
        Write inputs and outputs as Meta's ``SamOnnxModel`` has them, and an encoder as samexporter
        writes it, for programs made for these. :func:`anymask.load` does not open them.
    single_mask : bool
        With `meta`: return the best mask instead of all four.
    image : (H, W, 3) uint8 array or Image, optional
        What to compare masks on; by default a drawn image.
    overwrite : bool
        Replace an existing folder.

    Returns
    -------
    Exported

    Raises
    ------
    AnymaskError
        If a package is missing, or an option does not fit.
    CheckpointError
        If the model cannot be loaded.
    OutputError
        If the folder exists and is not to be replaced, or cannot be written.
    """
    target = Path(folder)
    _check(weights, meta, single_mask)
    check_free(target, overwrite)
    if target.is_dir() and any(target.iterdir()) and not (target / FACTS).is_file():
        raise AnymaskError(f"{target} is no exported model, so it is not replaced; choose another.")
    onnx()
    sam = _in_torch(model, image_size)
    if meta and isinstance(sam.config, Sam2Config):
        raise AnymaskError(
            f"{sam.config.name} is a SAM 2, for which Meta's export has no names; leave out --meta "
            "(meta=True), or give a model of the first SAM, such as small or vit_b."
        )
    pixels = drawn_image() if image is None else rgb_of(image)
    with whole_folder(target) as part:
        found = _write(sam, part, weights, pixels)
        if meta:
            networks = MetaEncoder(sam), MetaDecoder(sam, single_mask)
            for network, name in zip(networks, (ENCODER, DECODER), strict=True):
                _write_network(network, part / name, _stored(weights, name))
            _write_facts(sam, part, weights, found, "meta")
        sizes = {path.name: path.stat().st_size for path in sorted(part.iterdir())}
    return Exported(target, sizes, found)


def _check(weights: str, meta: bool, single_mask: bool) -> None:
    if weights not in get_args(Stored):
        known = ", ".join(map(repr, get_args(Stored)))
        raise AnymaskError(f"weights is {weights!r}; it can be {known}.")
    if single_mask and not meta:
        raise AnymaskError("single_mask goes with meta only; leave it out, or give meta=True too.")


def _in_torch(model: str | os.PathLike[str] | Sam | None, image_size: int | None) -> Sam:
    """The model on the CPU in float32, untouched by what is done to it here."""
    if isinstance(model, Sam):
        if image_size is not None:
            raise AnymaskError("image_size is for models to be loaded; give a file or a name.")
        return copy.deepcopy(model).to("cpu", torch.float32).eval()
    sam = load(model, image_size=image_size, device="cpu", dtype="float32")
    refuse_exported(sam, "exported again")
    return sam


def _write(sam: Sam, folder: Path, weights: Stored, pixels: NDArray[np.uint8]) -> Parity:
    """Write the two networks and the facts; return the differences to torch."""
    for network, name in ((EncoderNetwork(sam), ENCODER), (DecoderNetwork(sam), DECODER)):
        _write_network(network, folder / name, _stored(weights, name))
    _write_facts(sam, folder, weights, None, "anymask")
    found = parity(sam, open_exported(folder, "cpu"), pixels)
    _write_facts(sam, folder, weights, found, "anymask")
    return found


def _stored(weights: Stored, name: str) -> Stored:
    return "float16" if weights == "int8" and name == DECODER else weights


def _write_network(network: torch.nn.Module, path: Path, weights: Stored) -> None:
    graph = graph_of(network.eval())
    store(graph, weights)
    save_graph(graph, path)


def _write_facts(
    sam: Sam, folder: Path, weights: Stored, found: Parity | None, contract: str
) -> None:
    facts = {
        "anymask_onnx": FORMAT,
        "contract": contract,
        "weights": weights,
        "model_sha256": model_hash(sam),
        "config": sam.config.to_dict(),
        "parity_with_torch": None if found is None else found.to_dict(),
    }
    (folder / FACTS).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
