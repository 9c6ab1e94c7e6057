"""Whether a part of the network is still the one that was built, and nobody observes it.

The fast ways join the work of several layers: they read a layer's weights instead of calling it.
That is right only while the layer is our own. Adapters and quantisation put other modules in its
place, and hooks want to see its input and output: then the layer is called, as in the published
code.
"""

from __future__ import annotations

from torch import nn
from torch.compiler import is_compiling


def is_own(module: nn.Module | None, kind: type[nn.Module]) -> bool:
    """Whether a module is of exactly this class, without hooks and without a `forward` of its own.

    Examples
    --------
    >>> layer = nn.Linear(2, 2)
    >>> is_own(layer, nn.Linear)
    True
    >>> handle = layer.register_forward_hook(lambda *_: None)
    >>> is_own(layer, nn.Linear)
    False
    """
    if type(module) is not kind:
        return False
    if is_compiling():
        return True
    own = module.__dict__
    return not (
        own["_forward_hooks"]
        or own["_forward_pre_hooks"]
        or own["_backward_hooks"]
        or own["_backward_pre_hooks"]
        or "forward" in own
    )
