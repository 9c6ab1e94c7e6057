"""Grounding DINO, MM-Grounding-DINO, LLMDet and OWLv2 through `transformers`.

Weights are read from safetensors, and no code that comes with a model is run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from torch import Tensor

from anymask.errors import CheckpointError, PromptError
from anymask.predict.words.detections import Detections, joined

_MOST_WORDS = 100  # of OWLv2 at once
_ARTICLES = ("a ", "an ", "the ")


class Detector(Protocol):
    """Finds what words name in an image."""

    def find(self, image: NDArray[np.uint8], words: Sequence[str]) -> Detections:
        """Return boxes for an (H, W, 3) RGB image, each with the word that it answers best."""


def open_folder(folder: Path, kind: str, device: str) -> Detector:
    """Load a model from a folder in Hugging Face's layout.

    Raises
    ------
    CheckpointError
        If its files are missing or damaged.
    """
    safe = {"local_files_only": True, "trust_remote_code": False}
    processor_kind, detector = _KINDS[kind]
    try:
        processor = processor_kind(
            # The "fast" ones of images need torchvision.
            transformers.AutoImageProcessor.from_pretrained(folder, use_fast=False, **safe),
            transformers.AutoTokenizer.from_pretrained(folder, use_fast=True, **safe),
        )
        model = transformers.AutoModelForZeroShotObjectDetection.from_pretrained(
            folder, use_safetensors=True, **safe
        )
    except Exception as error:  # its errors have no common class
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CheckpointError(
            f"The detector in {folder} cannot be loaded ({reason}); download it again."
        ) from error
    return detector(processor, model.eval().requires_grad_(False).to(device))


class GroundedDetector:
    """Grounding DINO and its relatives, which compare boxes with the tokens of a text.

    The text is the words with full stops between them. The score of a box for a word is the highest
    over the word's tokens, so that each box has a word of the list and no mixture of several.

    Parameters
    ----------
    processor, model : objects of transformers
    """

    def __init__(self, processor: Any, model: Any) -> None:
        self._processor, self._model = processor, model
        self._tokenizer = processor.tokenizer
        self._most_tokens = int(model.config.max_text_len)

    def find(self, image: NDArray[np.uint8], words: Sequence[str]) -> Detections:
        """See `Detector.find`."""
        parts = [self._of_some(image, some) for some in self._in_texts(words)]
        return joined(parts)

    def _in_texts(self, words: Sequence[str]) -> list[list[str]]:
        """Divide words so that each text fits the model."""
        texts: list[list[str]] = [[]]
        for word in words:
            if texts[-1] and self._length([*texts[-1], word]) > self._most_tokens:
                texts.append([])
            texts[-1].append(word)
            if self._length(texts[-1]) > self._most_tokens:
                raise PromptError(f"{word[:40]!r}… is too long for the detector; use fewer words.")
        return texts

    def _length(self, words: Sequence[str]) -> int:
        return len(self._tokenizer(_text_of(words)[0])["input_ids"])

    def _of_some(self, image: NDArray[np.uint8], words: Sequence[str]) -> Detections:
        text, spans = _text_of(words)
        inputs = self._processor(images=image, text=text, return_tensors="pt")
        offsets = self._tokenizer(text, return_offsets_mapping=True)["offset_mapping"]
        with torch.inference_mode():
            outputs = self._model(**inputs.to(self._model.device))
        likely = outputs.logits[0].float().sigmoid().cpu()  # (queries, tokens)
        by_word = torch.stack([likely[:, _tokens_in(offsets, *span)].amax(1) for span in spans], 1)
        scores, best = by_word.max(1)
        height, width = image.shape[:2]
        boxes = _corners(outputs.pred_boxes[0].float().cpu())
        boxes = boxes * torch.tensor([width, height, width, height])
        return Detections(boxes.numpy(), [words[i] for i in best.tolist()], scores.numpy())


class OpenVocabularyDetector:
    """OWLv2, which compares boxes with the meaning of each word.

    Parameters
    ----------
    processor, model : objects of transformers
    """

    def __init__(self, processor: Any, model: Any) -> None:
        self._processor, self._model = processor, model

    def find(self, image: NDArray[np.uint8], words: Sequence[str]) -> Detections:
        """See `Detector.find`."""
        some = [words[i : i + _MOST_WORDS] for i in range(0, len(words), _MOST_WORDS)]
        return joined([self._of_some(image, each) for each in some])

    def _of_some(self, image: NDArray[np.uint8], words: Sequence[str]) -> Detections:
        text = [_described(word) for word in words]
        inputs = self._processor(
            images=image, text=[text], return_tensors="pt", truncation=True
        ).to(self._model.device)
        with torch.inference_mode():
            outputs = self._model(**inputs)
        (found,) = self._processor.post_process_grounded_object_detection(
            outputs, threshold=0.0, target_sizes=[image.shape[:2]]
        )
        named = [words[i] for i in found["labels"].tolist()]
        return Detections(found["boxes"].cpu().numpy(), named, found["scores"].cpu().numpy())


_KINDS: dict[str, tuple[Any, Callable[[Any, Any], Detector]]] = {
    "grounding-dino": (transformers.GroundingDinoProcessor, GroundedDetector),
    "mm-grounding-dino": (transformers.GroundingDinoProcessor, GroundedDetector),
    "owlv2": (transformers.Owlv2Processor, OpenVocabularyDetector),
}
KINDS = tuple(_KINDS)
"""The kinds of model, as `config.json` names them."""


def _text_of(words: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """Return a text of words, and where each one begins and ends in it.

    >>> _text_of(["red coin", "Cup."])
    ('red coin. cup.', [(0, 8), (10, 13)])
    """
    text, spans = "", []
    for word in words:
        cleaned = word.lower().strip(" .")
        text += " " if text else ""
        spans.append((len(text), len(text) + len(cleaned)))
        text += f"{cleaned}."
    return text, spans


def _tokens_in(offsets: Sequence[tuple[int, int]], begin: int, end: int) -> list[int]:
    """Return the indices of the tokens within a part of the text."""
    return [i for i, (a, b) in enumerate(offsets) if a >= begin and b <= end and b > a]


def _described(word: str) -> str:
    """Return a word as OWLv2 was taught words.

    >>> _described("coin"), _described("a photo of a coin"), _described("Eiffel tower")
    ('a photo of a coin', 'a photo of a coin', 'a photo of an eiffel tower')
    """
    word = word.lower().strip(" .")
    if "photo of" in word:
        return word
    if word.startswith(_ARTICLES):
        return f"a photo of {word}"
    return f"a photo of {'an' if word[:1] in 'aeiou' else 'a'} {word}"


def _corners(boxes: Tensor) -> Tensor:
    """Turn centres and sides (N, 4) into corners."""
    centre, sides = boxes[:, :2], boxes[:, 2:]
    return torch.cat([centre - sides / 2, centre + sides / 2], 1)
