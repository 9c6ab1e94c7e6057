"""Encoded images on disk, so that an image is encoded once and prompted any number of times.

The file is a safetensors file with the embedding (and the finer maps of models that have them) and
the hashes of the model and the image in its metadata. With another model's decoder, or for another
image, an embedding would give plausible but wrong masks, so both hashes are compared on reading.
"""

from __future__ import annotations

import hashlib
import json
import os
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from anymask.errors import ImageError
from anymask.files import whole_file
from anymask.model.embedding import ImageEmbedding

if TYPE_CHECKING:
    from torch import Tensor

    from anymask.model.sam import Sam

# All metadata are in one JSON text under this key, because safetensors writes several keys in
# random order, and the same image must give the same file.
_KEY = "anymask_embedding"
_VERSION = 1


@dataclass(frozen=True)
class EncodedImage:
    """An encoded image.

    Attributes
    ----------
    features
        Output of the image encoder, a batch of one.
    original_size
        Height and width of the image.
    input_size
        Height and width of its resized copy in the encoder's input, without the padding.
    image_hash
        From :func:`image_hash`.
    pixels
        The image itself, H×W×3 in the order of the model's channels, for `quality="high"`; None
        if it was encoded elsewhere. It is not stored in files.
    """

    features: ImageEmbedding
    original_size: tuple[int, int]
    input_size: tuple[int, int]
    image_hash: str
    pixels: NDArray[np.uint8] | None = None


def image_hash(resized: Tensor | NDArray[Any], original_size: tuple[int, int]) -> str:
    """SHA-256 of an image as the encoder sees it, and of its original size.

    Parameters
    ----------
    resized
        1×3×h×w, the image resized to the encoder's input, not normalised.
    original_size
        Height and width before resizing.
    """
    head = json.dumps([_dtype_name(resized), list(resized.shape), list(original_size)])
    digest = hashlib.sha256(head.encode())
    _hash_tensor(digest, resized)
    return digest.hexdigest()


_model_hashes: weakref.WeakKeyDictionary[Sam, tuple[tuple[Any, ...], str]] = (
    weakref.WeakKeyDictionary()
)


def model_hash(model: Sam) -> str:
    """SHA-256 of a model's geometry and weights, independent of its name and device.

    Weights are rounded to bfloat16 first, so that an image encoded in bfloat16 on one machine can
    be prompted with the same checkpoint in float32 on another. The result is cached until a weight
    is replaced or changed in place.

    Parameters
    ----------
    model
        Any :class:`anymask.Sam`.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    stated: str | None = getattr(model, "weights_hash", None)
    if stated is not None:  # of an exported model, whose file names the one it was made from
        return stated
    state = model.state_dict()
    stamp = tuple((t.data_ptr(), 0 if t.is_inference() else t._version) for t in state.values())
    known = _model_hashes.get(model)
    if known is not None and known[0] == stamp:
        return known[1]
    geometry = {key: value for key, value in model.config.to_dict().items() if key != "name"}
    digest = hashlib.sha256(json.dumps(geometry, sort_keys=True).encode())
    for key in sorted(state):
        tensor = state[key]
        digest.update(f"{key} {list(tensor.shape)}".encode())
        _hash_tensor(digest, tensor.bfloat16() if tensor.is_floating_point() else tensor)
    _model_hashes[model] = stamp, digest.hexdigest()
    return digest.hexdigest()


def assigned_embedding(embedding: Tensor, model: Sam) -> ImageEmbedding:
    """A tensor alone, 1×C×h×w or C×h×w, as an embedding that this model can be prompted with.

    Raises
    ------
    ImageError
        If it has another shape than the model's, or the model needs finer features too.
    """
    config = model.config
    shape = (1, config.prompt_dim, config.embedding_size, config.embedding_size)
    if embedding.ndim == 3:
        embedding = embedding[None]
    if tuple(embedding.shape) != shape:
        wanted = "×".join(map(str, shape))
        raise ImageError(
            f"The embedding has the shape {tuple(embedding.shape)}; this model needs {wanted}."
        )
    if config.use_skips:
        raise ImageError(
            f"The model {config.name} also needs finer features of the image than its embedding "
            "holds; use set_image, or save_embedding and load_embedding."
        )
    return ImageEmbedding(embedding)


def write_embedding(path: str | os.PathLike[str], image: EncodedImage, model: Sam) -> None:
    """Save an encoded image; the file appears whole or not at all.

    Parameters
    ----------
    path
        Where to write; by convention the name ends in ``.safetensors``.
    image
        The encoded image.
    model
        The model that encoded it.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    tensors: dict[str, Any] = {"embedding": image.features.embedding}
    tensors |= {f"skips.{i}": skip for i, skip in enumerate(image.features.skips)}
    if not isinstance(image.features.embedding, np.ndarray):
        tensors = {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
    facts = {
        "version": _VERSION,
        "model": model.config.name,
        "model_sha256": model_hash(model),
        "image_sha256": image.image_hash,
        "tensors_sha256": _hash_tensors(tensors),
        "original_size": image.original_size,
        "input_size": image.input_size,
    }
    with whole_file(Path(path)) as temporary:
        temporary.write_bytes(_as_file(tensors, {_KEY: json.dumps(facts)}))


def read_embedding(
    path: str | os.PathLike[str], model: Sam, expected_image: str | None = None
) -> EncodedImage:
    """Read an encoded image, if it was made by this model.

    Parameters
    ----------
    path
        A file from :func:`write_embedding`.
    model
        The model to prompt it with.
    expected_image
        The required hash of the image, or None for any.

    Returns
    -------
    EncodedImage
        On the device and in the dtype of the model.

    Raises
    ------
    ImageError
        If the file is missing, damaged, not an embedding, or of another model or image.
    """
    if not os.path.isfile(path):
        raise ImageError(f"There is no embedding file {path}; save one with save_embedding.")
    try:
        in_numpy = hasattr(model, "arrays")
        with safe_open(path, "np" if in_numpy else "pt") as file:
            facts = json.loads((file.metadata() or {}).get(_KEY, "{}"))
            if facts.get("version") != _VERSION:
                raise ImageError(
                    f"{path} is not an image embedding that this version of anymask saved; encode "
                    "the image with set_image and save it with save_embedding."
                )
            _check_model(path, facts, model)
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        sizes = (facts["original_size"], facts["input_size"])
        original_size, input_size = ((int(height), int(width)) for height, width in sizes)
        intact = facts["tensors_sha256"] == _hash_tensors(tensors)
        image = str(facts["image_sha256"])
        embedding = tensors["embedding"]
    except (SafetensorError, OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise _damaged(path) from error
    if not intact:
        raise _damaged(path)
    if expected_image is not None and image != expected_image:
        raise ImageError(
            f"{path} holds the embedding of another image (of height {original_size[0]} and width "
            f"{original_size[1]}); load the one saved for this image, or call set_image."
        )
    skips = tuple(tensors[f"skips.{i}"] for i in range(len(tensors) - 1))
    features = ImageEmbedding(
        _as_used(embedding, model), tuple(_as_used(skip, model) for skip in skips)
    )
    return EncodedImage(features, original_size, input_size, image)


def _as_file(arrays: dict[str, Any], metadata: dict[str, str]) -> bytes:
    if isinstance(arrays["embedding"], np.ndarray):
        from safetensors.numpy import save as save_arrays

        return save_arrays(arrays, metadata)
    from safetensors.torch import save

    return save(arrays, metadata)


def _as_used(part: Any, model: Sam) -> Any:
    """A stored array where the model is, in its dtype."""
    if isinstance(part, np.ndarray):
        return part.astype(np.float32, copy=False)
    return part.to(model.device, model.dtype)


def _check_model(path: str | os.PathLike[str], facts: Mapping[str, Any], model: Sam) -> None:
    theirs, ours = str(facts["model_sha256"]), model_hash(model)
    if theirs != ours:
        raise ImageError(
            f"{path} was encoded by another model ({facts['model']}, hash {theirs[:12]}) than "
            f"the one in use ({model.config.name}, hash {ours[:12]}); load that model, or encode "
            "the image again with set_image."
        )


def _damaged(path: str | os.PathLike[str]) -> ImageError:
    return ImageError(
        f"{path} is damaged or no embedding file; encode the image again with set_image and save "
        "it with save_embedding."
    )


def _hash_tensors(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for key in sorted(tensors):
        digest.update(f"{key} {_dtype_name(tensors[key])} {list(tensors[key].shape)}".encode())
        _hash_tensor(digest, tensors[key])
    return digest.hexdigest()


def _dtype_name(tensor: Any) -> str:
    """The dtype as torch writes it, so that hashes are the same without torch."""
    return f"torch.{tensor.dtype}" if isinstance(tensor, np.ndarray) else str(tensor.dtype)


def _hash_tensor(digest: Any, tensor: Any) -> None:
    if isinstance(tensor, np.ndarray):
        digest.update(np.ascontiguousarray(tensor).tobytes())
        return
    import torch

    # Bytes through a uint8 view, because NumPy has no bfloat16.
    digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
