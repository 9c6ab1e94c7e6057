"""A model in ONNX Runtime, with the interface that predicting needs of `Sam`.

It computes with NumPy arrays and needs no torch. The files are those of `anymask.export_onnx`: the
image encoder takes one normalised image; the decoder takes prompts as tokens, as Meta's exported
decoder does (points of labels 0 and 1, corners of boxes of labels 2 and 3, -1 for padding), and
returns all masks of a prompt, the single one first.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import AnymaskError, CheckpointError, PromptError
from anymask.model.arrays import NumpyArrays
from anymask.model.config import Sam2Config, SamConfig
from anymask.model.embedding import ImageEmbedding

_PADDING, _FIRST_CORNER, _SECOND_CORNER = -1, 2, 3


@dataclass(frozen=True)
class OnnxDevice:
    """Where a model in ONNX Runtime computes.

    Attributes
    ----------
    type : str
        "cpu" or "cuda".
    """

    type: str

    def __str__(self) -> str:
        return self.type


_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxSam:
    """An exported model.

    Parameters
    ----------
    config : SamConfig
    encoder, decoder : Path
        The files of the two networks.
    weights_hash : str
        Hash of the weights that were exported, which tells models apart in stored embeddings.
    device : str
        "cpu", "cuda" or "auto".
    threads : int
        Threads that share the work of a step; 0 is one for each core.

    Raises
    ------
    AnymaskError
        If ONNX Runtime is not installed, or has no such device.
    CheckpointError
        If ONNX Runtime cannot read a file.
    """

    mask_threshold: float = 0.0
    image_format: str = "RGB"
    dtype: str = "float32"
    arrays = NumpyArrays()

    def __init__(
        self,
        config: SamConfig,
        encoder: Path,
        decoder: Path,
        *,
        weights_hash: str,
        device: str = "auto",
        threads: int = 0,
    ) -> None:
        self.config = config
        self._is_sam2 = isinstance(config, Sam2Config)
        self.weights_hash = weights_hash
        kind = _kind_of(device)
        self._encoder = _session(encoder, kind, threads)
        self._decoder = _session(decoder, kind, threads)
        # ONNX Runtime goes on without a GPU that it cannot use.
        self.device = OnnxDevice(_kind_in_use(self._encoder))
        if self.device.type != kind and device != "auto":
            raise _no_device(device)
        self._skips = [x.name for x in self._decoder.get_inputs() if x.name.startswith("skip_")]

    def preprocess(self, x: ArrayLike) -> NDArray[np.float32]:
        """Normalise 0-255 RGB (…, 3, H, W) and pad with zeros at right and bottom to S×S."""
        mean, std = (
            np.array(values, np.float32).reshape(3, 1, 1)
            for values in (self.config.pixel_mean, self.config.pixel_std)
        )
        normal = (np.asarray(x) - mean) / std
        size = self.config.image_size
        missing = [(0, size - length) for length in normal.shape[-2:]]
        return np.pad(normal, [(0, 0)] * (normal.ndim - 2) + missing).astype(np.float32, copy=False)

    def encode_image(self, x: NDArray[np.float32]) -> Any:
        """Encode images (B, 3, S, S) from `preprocess`, one after another.

        Returns
        -------
        ImageEmbedding
            Of NumPy arrays.
        """
        each = [self._encoder.run(None, {"image": one[None]}) for one in x]
        maps: list[Any] = [np.concatenate(parts) for parts in zip(*each, strict=True)]
        return ImageEmbedding(maps[0], tuple(maps[1:]))

    def decode(
        self,
        image: Any,
        *,
        point_coords: ArrayLike | None = None,
        point_labels: ArrayLike | None = None,
        boxes: ArrayLike | None = None,
        masks: ArrayLike | None = None,
        multimask_output: bool = True,
    ) -> tuple[Any, Any]:
        """Decode N prompts of one image, or N = B·P prompts of B images in order.

        Parameters and results are those of `Sam.decode`, as NumPy arrays.

        Raises
        ------
        PromptError
            If only one of `point_coords` and `point_labels` is given.
        """
        coords, labels = _tokens(point_coords, point_labels, boxes, self._is_sam2)
        side = self.config.low_res_size
        given = None if masks is None else np.asarray(masks, np.float32)
        if len(coords) == 0:  # neither points nor boxes
            shape = (1 if given is None else len(given), 2 if self._is_sam2 else 0)
            coords = np.zeros((*shape, 2), np.float32)
            labels = np.full(shape, _PADDING, np.float32)
        images = image.embedding.shape[0]
        each = len(coords) // images
        found = []
        for index in range(images):
            of = slice(index * each, (index + 1) * each)
            one = image.image(index)
            inputs = {
                "image_embeddings": one.embedding,
                **dict(zip(self._skips, one.skips, strict=True)),
                "point_coords": coords[of],
                "point_labels": labels[of],
                "mask_input": np.zeros((1, 1, side, side), np.float32)
                if given is None
                else given[of],
                "has_mask_input": np.array([given is not None], np.float32),
            }
            found.append(self._decoder.run(["low_res_masks", "iou_predictions"], inputs))
        low_res, iou = (np.concatenate(parts) for parts in zip(*found, strict=True))
        if self._is_sam2 and not multimask_output:
            return _stable_or_best(low_res, iou)
        chosen = slice(1, None) if multimask_output else slice(0, 1)
        return np.ascontiguousarray(low_res[:, chosen]), np.ascontiguousarray(iou[:, chosen])


def _stable_or_best(
    low_res: NDArray[np.float32], iou: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """SAM 2's single mask, or the best of the other candidates where that is unstable."""
    delta, single = Sam2Config.stability_delta, low_res[:, 0]
    inner, outer = ((single > limit).sum((1, 2)) for limit in (delta, -delta))
    stable = (inner >= Sam2Config.stability_thresh * outer) | (outer == 0)
    index = np.where(stable, 0, 1 + iou[:, 1:].argmax(1))
    rows = np.arange(len(index))
    return low_res[rows, index][:, None], iou[rows, index][:, None]


def refuse_exported(model: object, purpose: str) -> None:
    """Refuse a model in ONNX Runtime for what needs torch.

    Raises
    ------
    AnymaskError
        If `model` is an `OnnxSam`.
    """
    if isinstance(model, OnnxSam):
        raise AnymaskError(
            f"An exported model cannot be {purpose}; give the model that it was made from."
        )


def _tokens(
    point_coords: ArrayLike | None,
    point_labels: ArrayLike | None,
    boxes: ArrayLike | None,
    always_padded: bool,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Prompts as (N, T, 2) coordinates and (N, T) labels; empty without points and boxes.

    A token that is no point follows where there is no box, or `always_padded`.
    """
    if (point_coords is None) != (point_labels is None):
        raise PromptError("Only one of point_coords and point_labels was given; give both.")
    coords: list[NDArray[Any]] = []
    labels: list[NDArray[Any]] = []
    if point_coords is not None:
        coords.append(np.asarray(point_coords))
        labels.append(np.asarray(point_labels))
    if boxes is not None:
        corners = np.asarray(boxes).reshape(-1, 2, 2)
        coords.append(corners)
        labels.append(np.tile([_FIRST_CORNER, _SECOND_CORNER], (len(corners), 1)))
    if coords and (boxes is None or always_padded):
        coords.append(np.zeros((len(coords[0]), 1, 2)))
        labels.append(np.full((len(coords[0]), 1), _PADDING))
    if not coords:
        return np.zeros((0, 0, 2), np.float32), np.zeros((0, 0), np.float32)
    return (
        np.concatenate(coords, 1).astype(np.float32),
        np.concatenate(labels, 1).astype(np.float32),
    )


def _kind_of(device: str) -> str:
    """The kind of device to try."""
    there = _runtime().get_available_providers()
    kind = device.partition(":")[0]
    if kind == "auto":
        return "cuda" if _PROVIDERS["cuda"] in there else "cpu"
    if _PROVIDERS.get(kind) not in there:
        raise _no_device(device)
    return kind


def _kind_in_use(session: Any) -> str:
    return "cuda" if _PROVIDERS["cuda"] in session.get_providers() else "cpu"


def _no_device(name: str) -> AnymaskError:
    return AnymaskError(
        f"ONNX Runtime finds no device {name!r} on this machine; use 'cpu' or 'auto', or install "
        "onnxruntime-gpu for 'cuda'."
    )


def _session(path: Path, kind: str, threads: int) -> Any:
    runtime = _runtime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads that spin while they wait hold the cores that other processes need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        providers = dict.fromkeys((_PROVIDERS[kind], _PROVIDERS["cpu"]))
        return runtime.InferenceSession(path, options, providers=list(providers))
    except Exception as error:  # its errors have no common class
        reason = str(error).strip().splitlines()[0]
        raise CheckpointError(
            f"ONNX Runtime cannot read {path} ({reason}); export the model again."
        ) from error


def _runtime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise AnymaskError(
            "Exported models need ONNX Runtime; install it with pip install 'anymask[onnx]'."
        ) from error
    return onnxruntime
