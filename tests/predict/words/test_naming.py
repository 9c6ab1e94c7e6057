"""Masks get the word that fits best, with the scores of transformers' own code."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers

import anymask
from anymask.errors import CheckpointError, PromptError
from anymask.masks.mask_set import MaskSet
from anymask.predict.words.naming import crop_of, name_masks
from tests.predict.words.tiny_detectors import tiny_clip


@pytest.fixture(scope="module", params=["clip", "siglip"])
def folder(request, tmp_path_factory):
    return tiny_clip(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture
def masks() -> MaskSet:
    stack = np.zeros((3, 90, 120), bool)
    stack[0, 10:40, 20:60] = stack[1, 50:80, 70:110] = True
    return MaskSet.from_masks(stack)  # the last one is empty


def test_scores_are_those_of_transformers(folder, photo, masks):
    words = ["coin", "cup", "spoon"]
    named = name_masks(photo, masks, words, namer=str(folder))
    images = transformers.AutoImageProcessor.from_pretrained(folder, use_fast=False)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    is_clip = folder.name.startswith("clip")
    text = [f"a photo of a {word}" for word in words]
    tokens = tokenizer(text, padding=True if is_clip else "max_length", return_tensors="pt")
    for number, box in enumerate(masks.boxes):
        with torch.no_grad():
            seen = images(crop_of(photo, box), return_tensors="pt")
            logits = model(**tokens, **seen).logits_per_image[0]
        expected = logits.softmax(0) if is_clip else logits.sigmoid()
        np.testing.assert_allclose(named.scores[number], expected.numpy(), atol=1e-6)
        assert named.masks.class_names[number] == words[int(expected.argmax())]
    assert set(
        name_masks(photo, masks, words, namer=str(folder), min_score=1.1).masks.class_names
    ) == {""}


def test_what_cannot_be_named_is_one_sentence(photo, masks, tmp_path, monkeypatch):
    with pytest.raises(PromptError, match="of an image of 120×90 pixels, and this one has 60×90"):
        name_masks(np.ascontiguousarray(photo[:, :60]), masks, ["cup"])
    with pytest.raises(PromptError, match="no model 'clop' that names masks; choose from clip"):
        name_masks(photo, masks, ["cup"], namer="clop")
    with pytest.raises(PromptError, match="has no model that compares images with words"):
        name_masks(photo, masks, ["cup"], namer=str(tmp_path))
    monkeypatch.setenv("ANYMASK_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(CheckpointError, match="in place of clip"):
        name_masks(photo, masks, ["cup"])
    assert len(name_masks(photo, MaskSet.from_counts((90, 120), []), ["cup"]).masks) == 0
    assert anymask.name_masks is name_masks
