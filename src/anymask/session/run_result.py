"""How far a run is, and what it has done when it ends."""

from __future__ import annotations

from dataclasses import dataclass, field

from anymask.session.records import LayerKey


@dataclass(frozen=True)
class RunProgress:
    """Progress of a run.

    Attributes
    ----------
    layer : LayerKey
        The current layer.
    title : str
        Its name.
    index, total : int
        Index of the layer, from 0, and number of layers.
    fraction : float
        Progress of the whole run, from 0 to 1.
    """

    layer: LayerKey
    title: str
    index: int
    total: int
    fraction: float


@dataclass
class RunResult:
    """The result of a run.

    Attributes
    ----------
    done : list of LayerKey
    failed : list of (LayerKey, str)
        Layers that failed, each with a sentence.
    cancelled : bool
        Whether the run was stopped early; finished layers are kept.
    seconds : float
    """

    done: list[LayerKey] = field(default_factory=list)
    failed: list[tuple[LayerKey, str]] = field(default_factory=list)
    cancelled: bool = False
    seconds: float = 0.0
