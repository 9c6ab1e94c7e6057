"""Meta's names of a tracker's methods, so that code for its video predictor reads the same."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Self

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from anymask.tracking.tracked_frame import TrackedFrame


class MetaNames(ABC):
    """Meta's names, in terms of those of `SamTracker`.

    The state that Meta's methods hand around is the tracker itself here.
    """

    @abstractmethod
    def start(self, frames: Any) -> None:
        """See `SamTracker`."""

    @abstractmethod
    def add(self, *args: Any, **said: Any) -> TrackedFrame:
        """See `SamTracker`."""

    @abstractmethod
    def propagate(self, *args: Any, **options: Any) -> Iterator[TrackedFrame]:
        """See `SamTracker`."""

    @abstractmethod
    def remove(self, object: int, frame: int | None = None) -> None:
        """See `SamTracker`."""

    @abstractmethod
    def reset(self) -> None:
        """See `SamTracker`."""

    def init_state(self, video_path: Any, **_: Any) -> Self:
        """Meta's name of :meth:`start`; the state is the tracker itself."""
        self.start(video_path)
        return self

    def add_new_points_or_box(
        self,
        inference_state: Any,
        frame_idx: int,
        obj_id: int,
        points: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        clear_old_points: bool = True,
        box: ArrayLike | None = None,
    ) -> tuple[int, list[int], Tensor]:
        """Meta's name of :meth:`add`.

        Returns
        -------
        frame_idx : int
        obj_ids : list of int
        masks : (N, 1, H, W) tensor
            Logits at the size of the frame.
        """
        found = self.add(
            frame_idx,
            obj_id,
            point_coords=points,
            point_labels=labels,
            box=box,
            replace_earlier=clear_old_points,
        )
        return _as_meta(found)

    def add_new_mask(
        self, inference_state: Any, frame_idx: int, obj_id: int, mask: ArrayLike
    ) -> tuple[int, list[int], Tensor]:
        """Meta's name of :meth:`add` with a mask; returns what `add_new_points_or_box` does."""
        return _as_meta(self.add(frame_idx, obj_id, mask=mask))

    def propagate_in_video(
        self,
        inference_state: Any = None,
        start_frame_idx: int | None = None,
        max_frame_num_to_track: int | None = None,
        reverse: bool = False,
    ) -> Iterator[tuple[int, list[int], Tensor]]:
        """Meta's name of :meth:`propagate`; yields what `add_new_points_or_box` returns."""
        for found in self.propagate(
            "backward" if reverse else "forward",
            start=start_frame_idx,
            most=max_frame_num_to_track,
        ):
            yield _as_meta(found)

    def remove_object(self, inference_state: Any, obj_id: int) -> None:
        """Meta's name of :meth:`remove`."""
        self.remove(obj_id)

    def reset_state(self, inference_state: Any = None) -> None:
        """Meta's name of :meth:`reset`."""
        self.reset()


def _as_meta(found: TrackedFrame) -> tuple[int, list[int], Tensor]:
    logits = [torch.from_numpy(found.logits(i))[None] for i in range(len(found.ids))]
    masks = torch.stack(logits) if logits else torch.empty(0, 1, *found.image_size)
    return found.frame, list(found.ids), masks
