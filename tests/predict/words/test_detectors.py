"""Published detectors find what transformers' own code finds, with a word for each box."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from anymask.errors import CheckpointError, PromptError
from anymask.predict.words.known_detectors import open_detector


def model_of(folder: Path):
    return transformers.AutoModelForZeroShotObjectDetection.from_pretrained(folder).eval()


def test_grounded_boxes_and_scores_are_those_of_transformers(grounded, photo):
    processor = transformers.GroundingDinoProcessor(
        transformers.GroundingDinoImageProcessor.from_pretrained(grounded),
        transformers.AutoTokenizer.from_pretrained(grounded),
    )
    inputs = processor(images=photo, text="red coin. cup.", return_tensors="pt")
    with torch.no_grad():
        outputs = model_of(grounded)(**inputs)
    (expected,) = processor.post_process_grounded_object_detection(
        outputs, threshold=0.0, text_threshold=0.0, target_sizes=[photo.shape[:2]]
    )
    found = open_detector(str(grounded)).find(photo, ["red coin", "cup"])
    np.testing.assert_allclose(found.boxes, expected["boxes"].numpy(), atol=1e-4)
    # The highest over all tokens there, over those of words here: [CLS] [SEP] . are no word's.
    tokens = processor.tokenizer.convert_ids_to_tokens(inputs["input_ids"][0])
    of_words = [i for i, token in enumerate(tokens) if token in ("red", "coin", "cup")]
    likely = outputs.logits[0].sigmoid()[:, of_words]
    np.testing.assert_allclose(found.scores, likely.amax(1).numpy(), atol=1e-6)
    best = ["cup" if i == 2 else "red coin" for i in likely.argmax(1).tolist()]
    assert list(found.class_names) == best


def test_a_long_list_of_words_is_asked_in_several_texts(grounded, photo):
    detector = open_detector(str(grounded))
    words = [f"{a} {b}" for a in ("red", "tea") for b in ("coin", "cup", "spoon", "coins")]
    found = detector.find(photo, words)
    assert len(found.boxes) == 2 * 12  # eight words of three tokens each, in texts of 24
    one = detector.find(photo, words[:7])
    np.testing.assert_allclose(found.boxes[:12], one.boxes, atol=1e-4)
    with pytest.raises(PromptError, match="is too long for the detector; use fewer words"):
        detector.find(photo, ["red " * 30])


def test_owlv2_finds_what_transformers_finds(owlv2, photo):
    processor = transformers.Owlv2Processor(
        transformers.Owlv2ImageProcessor.from_pretrained(owlv2),
        transformers.AutoTokenizer.from_pretrained(owlv2),
    )
    text = [["a photo of a cup", "a photo of a coin"]]
    inputs = processor(images=photo, text=text, return_tensors="pt", truncation=True)
    with torch.no_grad():
        outputs = model_of(owlv2)(**inputs)
    (expected,) = processor.post_process_grounded_object_detection(
        outputs, threshold=0.0, target_sizes=[photo.shape[:2]]
    )
    found = open_detector(str(owlv2)).find(photo, ["cup", "coin"])
    np.testing.assert_allclose(found.boxes, expected["boxes"].numpy(), atol=1e-4)
    np.testing.assert_allclose(found.scores, expected["scores"].numpy(), atol=1e-6)
    assert list(found.class_names) == [("cup", "coin")[i] for i in expected["labels"].tolist()]


def test_a_folder_with_another_model_is_refused(tmp_path):
    with pytest.raises(PromptError, match="is a folder without a model, and no detector"):
        open_detector(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(PromptError, match="is a bert, and no detector for words"):
        open_detector(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "owlv2"}')
    with pytest.raises(CheckpointError, match=r"cannot be loaded .*; download it again"):
        open_detector(str(tmp_path))


def test_offline_the_sentence_says_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("ANYMASK_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        CheckpointError, match=r"Swin-T is not .* ANYMASK_OFFLINE forbids .*hf download"
    ):
        open_detector("grounding-dino")
