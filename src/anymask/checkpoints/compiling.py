"""Compiling a model's network with ``torch.compile``, for long jobs.

On a CPU the mask decoder alone is compiled: the shipped model's becomes 1.4 times as fast. The
image encoder of a ViT in bfloat16 would become three times as slow, as its own calls of oneDNN
(`model/products.py`) are not compiled.
"""

from __future__ import annotations

import torch

from anymask.errors import AnymaskError
from anymask.model.sam import Sam


def compile_network(sam: Sam) -> None:
    """Let the mask decoder, and not on a CPU the image encoder too, be compiled when first run.

    With another number of prompts the decoder is compiled once more. The names of the weights
    stay, so the model is saved as any other. Results differ by rounding from those of the network
    as it is.

    Parameters
    ----------
    sam : Sam

    Raises
    ------
    AnymaskError
        If nothing can be compiled here, mostly for want of a C++ compiler.
    """
    try:
        # Whether it can be is else found out by the first picture.
        torch.compile(torch.exp)(torch.zeros(8, device=sam.device))
    except Exception as error:  # each backend has its own
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise AnymaskError(
            f"The network cannot be compiled here ({reason.rstrip('.')}); install a C++ compiler, "
            f"or leave compile out."
        ) from error
    if sam.device.type != "cpu":
        sam.image_encoder.compile()
    sam.mask_decoder.compile()
