"""Tiny detectors with random weights, in the real file layout."""

from __future__ import annotations

import json
from pathlib import Path

import torch
import transformers

WORDS = ["red", "coin", "cup", "tea", "spoon"]
"""What the tiny Grounding DINO has tokens for."""


def tiny_grounding_dino(folder: Path, kind: str = "grounding-dino") -> Path:
    """Write a Grounding DINO, or an MM-Grounding-DINO, which LLMDet is too."""
    tokenizer = _write_bert_vocabulary(folder)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2}
    text = transformers.BertConfig(
        vocab_size=len(tokenizer), num_hidden_layers=1, max_position_embeddings=64, **sizes
    )
    trunk = transformers.SwinConfig(
        embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4,
        out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip
    name = {"grounding-dino": "GroundingDino", "mm-grounding-dino": "MMGroundingDino"}[kind]
    config = getattr(transformers, f"{name}Config")(
        backbone_config=trunk, text_config=text, d_model=32, num_queries=12, max_text_len=24,
        encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=32, decoder_ffn_dim=32,
    )  # fmt: skip
    torch.manual_seed(0)
    model = getattr(transformers, f"{name}ForObjectDetection")(config)
    side = {"shortest_edge": 64, "longest_edge": 96}
    return _save(folder, model, tokenizer, transformers.GroundingDinoImageProcessor(size=side))


def tiny_clip(folder: Path, kind: str = "clip") -> Path:
    """Write a CLIP, or a SigLIP."""
    tokenizer = _write_letters(folder)
    sizes = {
        "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }  # fmt: skip
    text = {**sizes, "vocab_size": len(tokenizer), "max_position_embeddings": 24}
    vision = {**sizes, "image_size": 32, "patch_size": 16}
    name = {"clip": "CLIP", "siglip": "Siglip"}[kind]
    more = {"projection_dim": 16} if kind == "clip" else {}
    config = getattr(transformers, f"{name}Config")(text_config=text, vision_config=vision, **more)
    torch.manual_seed(0)
    model = getattr(transformers, f"{name}Model")(config)
    side = {"shortest_edge": 32} if kind == "clip" else {"height": 32, "width": 32}
    crop = {"crop_size": {"height": 32, "width": 32}} if kind == "clip" else {}
    images = getattr(transformers, f"{name}ImageProcessor")(size=side, **crop)
    return _save(folder, model, tokenizer, images)


def tiny_owlv2(folder: Path) -> Path:
    """Write an OWLv2."""
    tokenizer = _write_letters(folder)
    sizes = {
        "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }  # fmt: skip
    config = transformers.Owlv2Config(
        text_config={**sizes, "vocab_size": len(tokenizer), "max_position_embeddings": 24},
        vision_config={**sizes, "image_size": 64, "patch_size": 16},
        projection_dim=16,
    )
    torch.manual_seed(0)
    model = transformers.Owlv2ForObjectDetection(config)
    images = transformers.Owlv2ImageProcessor(size={"height": 64, "width": 64})
    return _save(folder, model, tokenizer, images)


def _write_letters(folder: Path) -> transformers.CLIPTokenizerFast:
    """Write a vocabulary of letters."""
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    tokens = ["!", *letters, *(f"{each}</w>" for each in letters)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return transformers.CLIPTokenizerFast(
        str(folder / "vocab.json"), str(folder / "merges.txt"), pad_token="!", model_max_length=24
    )


def _write_bert_vocabulary(folder: Path) -> transformers.BertTokenizerFast:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    (folder / "vocab.txt").write_text("\n".join([*special, ".", "?", *WORDS, "##s"]))
    return transformers.BertTokenizerFast(str(folder / "vocab.txt"))


def _save(folder: Path, model: torch.nn.Module, *parts) -> Path:
    for part in (model, *parts):
        part.save_pretrained(folder)
    return folder
