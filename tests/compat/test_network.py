"""What programs do to the parts of the network gives the numbers that it gives in Meta's code."""

from __future__ import annotations

import copy
import importlib

import pytest
import torch
from torch import nn

from anymask.compat.segment_anything.modeling import (
    ImageEncoderViT,
    MaskDecoder,
    PromptEncoder,
    Sam,
    TwoWayTransformer,
)
from tests.conftest import relative_l2


@pytest.fixture
def pair(ours, theirs):
    """Our model and Meta's, to be changed."""
    return copy.deepcopy(ours), copy.deepcopy(theirs)


@pytest.fixture(scope="module")
def image():
    torch.manual_seed(0)
    return torch.randn(2, 3, 256, 256)


def alike(ours, expected, bound=2e-5):
    if isinstance(ours, tuple | list):
        return all(alike(a, b, bound) for a, b in zip(ours, expected, strict=True))
    return ours.shape == expected.shape and relative_l2(ours.detach(), expected.detach()) < bound


def encoded(pair, image):
    with torch.no_grad():
        return [sam.image_encoder(image) for sam in pair]


def decoded(sam, embedding=None, multimask_output=True):
    """Three prompts, by the calls of a training loop."""
    torch.manual_seed(3)
    embedding = torch.randn(1, 32, 16, 16) if embedding is None else embedding
    coords = torch.tensor([[[30.0, 40.0]], [[100.0, 200.0]], [[250.0, 3.0]]])
    sparse, dense = sam.prompt_encoder(points=(coords, torch.ones(3, 1)), boxes=None, masks=None)
    return sam.mask_decoder(
        image_embeddings=embedding,
        image_pe=sam.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=multimask_output,
    )


class Wrapped(nn.Module):
    """An adapter around a layer, with a plain `forward(x)`."""

    def __init__(self, layer, chans):
        super().__init__()
        self.layer = layer
        self.scale = nn.Parameter(torch.linspace(0.5, 1.5, chans))

    def forward(self, x):
        return self.layer(x) * self.scale


def build(modeling, **encoder):
    torch.manual_seed(7)
    transformer = modeling["TwoWayTransformer"](2, 32, 4, 64, nn.GELU, attention_downsample_rate=4)
    sam = modeling["Sam"](
        modeling["ImageEncoderViT"](
            img_size=64, patch_size=8, embed_dim=24, depth=2, num_heads=3, out_chans=32, **encoder
        ),
        modeling["PromptEncoder"](32, (8, 8), (64, 64), 16, nn.ReLU),
        modeling["MaskDecoder"](
            transformer_dim=32,
            transformer=transformer,
            num_multimask_outputs=2,
            activation=nn.ReLU,
            iou_head_depth=2,
            iou_head_hidden_dim=48,
        ),
        [1.0, 2.0, 3.0],
        [4.0, 5.0, 6.0],
    )
    return sam.eval()


@pytest.mark.parametrize(
    "encoder",
    [
        {},
        {"use_rel_pos": True, "window_size": 3, "global_attn_indexes": (1,)},
        {"use_abs_pos": False, "qkv_bias": False, "act_layer": nn.ReLU, "mlp_ratio": 2.0},
    ],
)
def test_models_built_from_parts_have_metas_weights_and_numbers(metas_package, encoder):
    names = ("ImageEncoderViT", "MaskDecoder", "PromptEncoder", "Sam", "TwoWayTransformer")
    parts = (ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer)
    ours = build(dict(zip(names, parts, strict=True)), **encoder)
    theirs = build({name: getattr(metas_package.modeling, name) for name in names}, **encoder)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    assert ours.mask_decoder.num_multimask_outputs == 2
    records = [
        {
            "image": torch.rand(3, 64, 48) * 255,
            "original_size": (90, 70),
            "point_coords": torch.tensor([[[10.0, 12.0]], [[40.0, 50.0]]]),
            "point_labels": torch.tensor([[1], [0]]),
        },
        {
            "image": torch.rand(3, 50, 64) * 255,
            "original_size": (25, 32),
            "boxes": torch.tensor([[5.0, 5.0, 40.0, 30.0]]),
        },
    ]
    for mine, expected in zip(ours(records, True), theirs(records, True), strict=True):
        assert alike(mine["low_res_logits"], expected["low_res_logits"])
        assert alike(mine["iou_predictions"], expected["iou_predictions"])
        assert torch.equal(mine["masks"], expected["masks"])


def test_windows_of_another_size_interpolate_the_tables_of_positions(pair, image):
    for sam in pair:
        for number, block in enumerate(sam.image_encoder.blocks):
            block.window_size = (0, 0, 5, 8)[number]
    assert alike(*encoded(pair, image))


def test_a_whole_network_of_global_attention_with_other_patches(pair, image):
    # As Cellpose changes the encoder: smaller patches of a smaller image, no windows.
    for sam in pair:
        encoder = sam.image_encoder
        weight = encoder.patch_embed.proj.weight.detach()
        encoder.patch_embed.proj = nn.Conv2d(3, len(weight), kernel_size=8, stride=8)
        with torch.no_grad():
            encoder.patch_embed.proj.weight[:] = weight[:, :, ::2, ::2]
            encoder.patch_embed.proj.bias.fill_(0.1)
        encoder.pos_embed = nn.Parameter(encoder.pos_embed[:, ::2, ::2])
        for block in encoder.blocks:
            block.window_size = 0
    assert alike(*encoded(pair, image[:, :, :64, :64]))


@pytest.mark.parametrize("proj", [{"stride": 8}, {"stride": 16, "padding": 8}])
def test_patches_that_overlap_are_a_convolution(pair, image, proj):
    outputs = []
    for sam in pair:
        embed = sam.image_encoder.patch_embed
        conv = nn.Conv2d(3, len(embed.proj.weight), 16, **proj)
        conv.load_state_dict(embed.proj.state_dict())
        embed.proj = conv
        outputs.append(embed(image))
    assert alike(*outputs)


@pytest.mark.parametrize("where", ["qkv", "proj", "lin1", "lin2", "attn", "mlp", "norm1", "patch"])
def test_layers_of_the_encoder_can_be_replaced_by_adapters(pair, image, where):
    for sam in pair:
        encoder = sam.image_encoder
        for block in encoder.blocks:
            parent = {"qkv": block.attn, "proj": block.attn, "lin1": block.mlp, "lin2": block.mlp}
            name = "attn" if where == "patch" else where
            holder = parent.get(where, block)
            chans = {"qkv": 144, "lin1": 192}.get(where, 48)
            if where != "patch":
                setattr(holder, name, Wrapped(getattr(holder, name), chans))
        if where == "patch":
            encoder.patch_embed.proj = Wrapped(encoder.patch_embed.proj, 1)
    assert alike(*encoded(pair, image))


def test_blocks_and_their_parts_can_be_called(pair):
    x = torch.randn(2, 12, 12, 48)
    outputs = [
        [
            block(x),
            block.attn(x[:, :6, :6]),
            block.mlp(x),
            block.mlp.lin2(block.mlp.act(block.mlp.lin1(x))),
        ]
        for sam in pair
        for block in [sam.image_encoder.blocks[0]]
    ]
    assert alike(*outputs)
    scales = [sam.image_encoder.blocks[0].attn.scale for sam in pair]
    assert scales[0] == pytest.approx(scales[1])


@pytest.mark.parametrize("name", ["q_proj", "k_proj", "v_proj", "out_proj"])
@torch.no_grad()
def test_layers_of_the_decoder_can_be_replaced_by_adapters(pair, name):
    for sam in pair:
        transformer = sam.mask_decoder.transformer
        for layer in transformer.layers:
            for attention in (layer.cross_attn_token_to_image, layer.cross_attn_image_to_token):
                chans = 32 if name == "out_proj" else 16
                setattr(attention, name, Wrapped(getattr(attention, name), chans))
    assert alike(decoded(pair[0]), decoded(pair[1]))


HOOKED = (
    "image_encoder.blocks.1",
    "image_encoder.blocks.1.attn",
    "image_encoder.blocks.1.attn.qkv",
    "image_encoder.blocks.1.attn.proj",
    "image_encoder.blocks.2.mlp",
    "image_encoder.blocks.2.mlp.lin1",
    "image_encoder.blocks.2.mlp.act",
    "image_encoder.blocks.2.mlp.lin2",
    "image_encoder.neck.0",
    "mask_decoder.transformer",
    "mask_decoder.transformer.layers.0",
    "mask_decoder.transformer.layers.0.norm4",
    "mask_decoder.transformer.layers.1.mlp",
    "mask_decoder.transformer.layers.1.self_attn",
    "mask_decoder.transformer.layers.1.cross_attn_image_to_token",
    "mask_decoder.transformer.layers.1.cross_attn_token_to_image.k_proj",
    "mask_decoder.transformer.final_attn_token_to_image",
    "mask_decoder.output_upscaling",
    "mask_decoder.output_upscaling.0",
    "mask_decoder.output_upscaling.3",
    "mask_decoder.output_hypernetworks_mlps.2",
    "mask_decoder.iou_prediction_head",
    "prompt_encoder.mask_downscaling",
)


@torch.no_grad()
@pytest.mark.parametrize("name", HOOKED)
def test_hooks_see_what_they_see_in_metas_code(pair, image, name):
    seen = []
    for sam in pair:
        caught = []
        sam.get_submodule(name).register_forward_hook(
            lambda _module, _args, output, caught=caught: caught.append(output)
        )
        sam.image_encoder(image)
        decoded(sam)
        sam.prompt_encoder(points=None, boxes=None, masks=torch.ones(1, 1, 64, 64))
        seen.append(caught)
    assert len(seen[0]) > 0
    assert alike(*seen)


@torch.no_grad()
def test_a_hook_may_change_what_follows(pair):
    for sam in pair:
        sam.mask_decoder.output_upscaling.register_forward_hook(lambda *a: a[2] * 2)
        sam.mask_decoder.transformer.register_forward_pre_hook(
            lambda _, args: (args[0] + 1, *args[1:])
        )
    assert alike(decoded(pair[0]), decoded(pair[1]))


@torch.no_grad()
def test_the_parts_of_the_decoder_can_be_called_as_metas(pair):
    torch.manual_seed(0)
    maps, places, tokens = torch.randn(3, 32, 8, 8), torch.randn(3, 32, 8, 8), torch.randn(3, 6, 32)
    flat = maps.flatten(2).transpose(1, 2)
    outputs = []
    for sam in pair:
        decoder = sam.mask_decoder
        block = decoder.transformer.layers[1]
        outputs.append(
            [
                *decoder.transformer(maps, places, tokens),
                *block(queries=tokens, keys=flat, query_pe=tokens, key_pe=flat),
                block.cross_attn_image_to_token(q=flat, k=tokens, v=tokens),
                *decoder.predict_masks(
                    image_embeddings=maps[:1, :, :4, :4],
                    image_pe=places[:1, :, :4, :4],
                    sparse_prompt_embeddings=tokens[:2, :3],
                    dense_prompt_embeddings=maps[:2, :, :4, :4],
                ),
            ]
        )
    assert alike(*outputs)


@torch.no_grad()
def test_the_parts_of_the_prompt_encoder_can_be_called_as_metas(pair):
    coords = torch.tensor([[[3.0, 200.0], [90.0, 10.0]]])
    outputs = [
        [
            encoder.pe_layer._pe_encoding(coords / 256),
            encoder.pe_layer.forward_with_coords(coords, encoder.input_image_size),
            encoder.pe_layer.forward_with_coords(coords, (100, 300)),
            encoder.pe_layer((3, 5)),
            encoder._embed_points(coords, torch.tensor([[1, 0]]), pad=True),
            encoder._embed_boxes(torch.tensor([[3.0, 4.0, 50.0, 60.0]])),
            encoder._embed_masks(torch.ones(1, 1, 64, 64)),
        ]
        for encoder in (sam.prompt_encoder for sam in pair)
    ]
    assert alike(*outputs)


def test_attributes_that_programs_read_have_metas_values(pair):
    ours, theirs = pair
    for name in (
        "image_encoder.img_size",
        "image_encoder.blocks.0.window_size",
        "image_encoder.blocks.0.attn.num_heads",
        "image_encoder.blocks.0.attn.use_rel_pos",
        "prompt_encoder.embed_dim",
        "prompt_encoder.input_image_size",
        "prompt_encoder.image_embedding_size",
        "prompt_encoder.mask_input_size",
        "prompt_encoder.num_point_embeddings",
        "mask_decoder.transformer_dim",
        "mask_decoder.num_multimask_outputs",
        "mask_decoder.num_mask_tokens",
        "mask_decoder.transformer.depth",
        "mask_decoder.transformer.embedding_dim",
        "mask_decoder.transformer.num_heads",
        "mask_decoder.transformer.mlp_dim",
        "mask_decoder.transformer.layers.0.self_attn.embedding_dim",
        "mask_decoder.transformer.layers.0.cross_attn_image_to_token.internal_dim",
        "mask_decoder.iou_prediction_head.num_layers",
        "mask_decoder.iou_prediction_head.sigmoid_output",
        "mask_threshold",
        "image_format",
        "device",
    ):
        module, _, attribute = name.rpartition(".")
        mine, expected = (getattr(sam.get_submodule(module), attribute) for sam in (ours, theirs))
        assert mine == expected, name


def test_gradients_are_zero_where_metas_are(pair, image):
    gradients = []
    for sam in pair:
        masks, scores = decoded(sam, sam.image_encoder(image[:1]), multimask_output=False)
        (masks.mean() + scores.mean()).backward()
        gradients.append({name: p.grad for name, p in sam.named_parameters()})
    ours, theirs = gradients
    used = {name for name, g in theirs.items() if g is not None}
    assert {name for name, g in ours.items() if g is None} <= set(theirs) - used
    for name in used:
        assert float((ours[name] - theirs[name]).norm()) < 1e-5 + 1e-4 * float(theirs[name].norm())


def test_activations_can_be_approximated(pair, image):
    # As programs do before they export a model.
    exact = encoded(pair, image)
    for sam in pair:
        for module in sam.modules():
            if isinstance(module, nn.GELU):
                module.approximate = "tanh"
    ours, expected = encoded(pair, image)
    assert alike(ours, expected)
    assert not alike(ours, exact[0])
    assert alike(decoded(pair[0]), decoded(pair[1]))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:torch.quantize:UserWarning")
def test_dynamic_quantisation_finds_the_linear_layers(pair, image):
    linears = [sum(type(m) is nn.Linear for m in sam.modules()) for sam in pair]
    assert linears[0] == linears[1] > 30
    quantised = [
        torch.ao.quantization.quantize_dynamic(sam, {nn.Linear}, dtype=torch.qint8) for sam in pair
    ]
    assert alike(*encoded(quantised, image[:1]), 1e-2)
    assert alike(decoded(quantised[0]), decoded(quantised[1]), 1e-2)


def test_gradients_reach_adapters_in_a_frozen_encoder(pair, image):
    gradients = []
    for sam in pair:
        sam.requires_grad_(False)
        for block in sam.image_encoder.blocks:
            block.attn.qkv = Wrapped(block.attn.qkv, 144)
        sam.image_encoder(image[:1]).sum().backward()
        gradients.append([b.attn.qkv.scale.grad for b in sam.image_encoder.blocks])
    assert alike(*gradients, 1e-3)


def test_the_model_is_recognised_by_metas_class_names(ours):
    home = "anymask.compat.segment_anything.modeling."
    for module, name in (("sam", "Sam"), ("image_encoder", "ImageEncoderViT")):
        cls = getattr(importlib.import_module(home + module), name)
        assert any(isinstance(m, cls) for m in ours.modules())
