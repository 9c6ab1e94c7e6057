"""SamTracker: objects followed from frame to frame (arXiv 2408.00714).

Objects are prompted in any frame, followed forward or backward, and corrected where they went
wrong. Each object is followed on its own: what is remembered of one does not change another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn import functional as F

from anymask.errors import PromptError
from anymask.images.resize import resize_for
from anymask.model.sam import ImageEmbedding, Sam
from anymask.model.sam2.following import (
    FramePrompt,
    answer,
    answer_by_mask,
    memory_of,
    remembered_map,
)
from anymask.model.sam2.sam2 import Sam2
from anymask.predict.checked_prompts import check_prompts
from anymask.tracking.errors import TrackingError
from anymask.tracking.frames import Frames, frame_of, open_frames
from anymask.tracking.memory_bank import MemoryBank, Remembered
from anymask.tracking.tracked_frame import TrackedFrame

Direction = Literal["forward", "backward", "both"]
_Record = TypeVar("_Record")

# Logits of an earlier answer are cut at this when it is corrected, as in Meta's code.
_MOST_CERTAIN = 32.0


@dataclass(frozen=True, eq=False)
class _Prompts:
    """All that was said about one object in one frame, in pixels of the frame."""

    coords: NDArray[np.float64] | None = None
    labels: NDArray[np.int64] | None = None
    box: NDArray[np.float64] | None = None
    mask: NDArray[np.bool_] | None = None


@dataclass
class _Object:
    """One object: its prompts by frame, and what is remembered of it."""

    prompts: dict[int, _Prompts]
    bank: MemoryBank


class SamTracker:
    """Follow objects through frames.

    Memory holds one frame, its embedding, and what is remembered of the last frames; all else is
    read again or kept in a temporary folder, so that a video may have any length.

    Parameters
    ----------
    model
        A SAM 2 or SAM 2.1 with its memory, from :func:`anymask.load`.

    Attributes
    ----------
    frames : Frames or None
        The frames, from :meth:`start`.
    ids : tuple of int
        The objects, in the order in which they were added.

    Raises
    ------
    TrackingError
        If the model cannot follow objects.

    Examples
    --------
    An untrained model here; ``anymask.load("sam2.1_hiera_tiny")`` is a trained one.

    >>> from anymask.model.building import build_model
    >>> from anymask.model.config import HieraConfig, Sam2Config
    >>> encoder = HieraConfig(width=16, depths=(1, 1, 1, 1), global_attn_indexes=(2,))
    >>> tracker = SamTracker(build_model(Sam2Config("untrained", encoder, image_size=64)).eval())
    >>> tracker.start(np.zeros((4, 60, 80), np.uint8))
    >>> first = tracker.add(0, 1, box=[20, 15, 50, 40])
    >>> [each.frame for each in tracker.propagate("forward")]
    [0, 1, 2, 3]
    """

    def __init__(self, model: Sam) -> None:
        if not isinstance(model, Sam2) or model.config.memory is None:
            raise TrackingError(
                f"{model.config.name} cannot follow objects; load a SAM 2.1 such as "
                "sam2.1_hiera_tiny."
            )
        self.model = model
        self.frames: Frames | None = None
        self._transform = resize_for(model.config.image_size, model.config.stretches)
        self._objects: dict[int, _Object] = {}
        self._undo: list[Callable[[], None]] = []
        self._encoded: tuple[int, ImageEmbedding] | None = None
        self._size: tuple[int, int] = (0, 0)

    @property
    def ids(self) -> tuple[int, ...]:
        """The objects, in the order in which they were added."""
        return tuple(self._objects)

    def start(self, frames: Any) -> None:
        """Take frames, and forget all objects.

        Parameters
        ----------
        frames
            As in :func:`anymask.tracking.open_frames`: a folder, a video, a stack, an array, a list
            of images, or anything with a length whose items are ``uint8`` arrays H×W×3.

        Raises
        ------
        TrackingError, ImageError
            If they cannot be read.
        """
        opened = open_frames(frames)
        first = frame_of(opened, 0)
        self.frames = opened
        self._size = first.shape[0], first.shape[1]
        self.reset()

    def reset(self) -> None:
        """Forget all objects; the frames stay."""
        self._objects, self._undo, self._encoded = {}, [], None

    @torch.no_grad()
    def add(
        self,
        frame: int,
        object: int = 1,
        *,
        point_coords: ArrayLike | None = None,
        point_labels: ArrayLike | None = None,
        box: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        replace_earlier: bool = False,
    ) -> TrackedFrame:
        """Say where an object is in a frame: a new one, or one that is corrected.

        Points add to those given before for the same object and frame, and a box takes the place of
        an earlier box. A mask takes the place of everything: it is taken as it is. In a frame
        where the object was followed, the answer there is what points and boxes correct.
        Frames further on change when they are followed again.

        Parameters
        ----------
        frame
            Index of the frame, from 0.
        object
            Any positive number.
        point_coords, point_labels
            P×2, (x, y) in pixels of the frame, and P, 1 on the object and 0 beside it.
        box
            (x0, y0, x1, y1) in pixels of the frame.
        mask
            H×W, true on the object.
        replace_earlier
            Forget what was said before about the object in this frame.

        Returns
        -------
        TrackedFrame
            All objects as far as they are known in this frame.

        Raises
        ------
        TrackingError
            If there are no frames, no such frame, or the number is not positive.
        PromptError
            If nothing is said, or a prompt is malformed or outside the frame.
        """
        self._check_frame(frame)
        if isinstance(object, bool) or not isinstance(object, (int, np.integer)) or object < 1:
            raise TrackingError(f"The object {object!r} is no positive number; give 1, 2, ….")
        each = self._objects.get(object) or _Object({}, MemoryBank())
        before = _Prompts() if replace_earlier else each.prompts.get(frame, _Prompts())
        said = self._joined(before, point_coords, point_labels, box, mask)
        self._change(object, each, frame, said)
        return self.known(frame)

    def _joined(
        self,
        before: _Prompts,
        point_coords: ArrayLike | None,
        point_labels: ArrayLike | None,
        box: ArrayLike | None,
        mask: ArrayLike | None,
    ) -> _Prompts:
        """Check what is said, and add it to what was said before."""
        if mask is not None:
            if not (point_coords is None and point_labels is None and box is None):
                raise PromptError("A mask was given beside points or a box; give one or the other.")
            array = np.asarray(mask)
            if array.shape != self._size:
                shape = "×".join(map(str, array.shape))
                raise PromptError(
                    f"The mask has the shape {shape}, but frames are {self._size[0]} high and "
                    f"{self._size[1]} wide; give one of that shape."
                )
            return _Prompts(mask=array > 0)
        if point_coords is None and point_labels is None and box is None:
            raise PromptError("Nothing is said about the object; give points, a box or a mask.")
        checked = check_prompts(
            point_coords, point_labels, box, None, image_size=self._size, mask_size=1
        )
        if checked.batched:
            raise PromptError("These are prompts of several objects; add one object at a time.")
        said = replace(before, mask=None)
        if checked.point_coords is not None and checked.point_labels is not None:
            coords, labels = checked.point_coords[0], checked.point_labels[0]
            if said.coords is not None and said.labels is not None:
                coords = np.concatenate([said.coords, coords])
                labels = np.concatenate([said.labels, labels])
            said = replace(said, coords=coords, labels=labels)
        if checked.boxes is not None:
            said = replace(said, box=checked.boxes[0])
        return said

    def _change(self, object: int, each: _Object, frame: int, said: _Prompts) -> None:
        """Answer by what is said now, and note how to undo it."""
        bank, prompts = each.bank, each.prompts
        earlier = prompts.get(frame), bank.prompted.get(frame), bank.followed.get(frame)
        remembered = self._answered(each, frame, said)
        self._objects[object] = each
        prompts[frame] = said
        bank.prompted[frame] = remembered
        bank.followed.pop(frame, None)

        def undo() -> None:
            self._put_back(object, frame, *earlier)

        self._undo.append(undo)

    def _put_back(
        self,
        object: int,
        frame: int,
        said: _Prompts | None,
        prompted: Remembered | None,
        followed: Remembered | None,
    ) -> None:
        each = self._objects[object]
        _set_or_drop(each.prompts, frame, said)
        _set_or_drop(each.bank.prompted, frame, prompted)
        _set_or_drop(each.bank.followed, frame, followed)
        if not each.prompts:
            del self._objects[object]

    def _answered(self, each: _Object, frame: int, said: _Prompts) -> Remembered:
        image = self._encode(frame)
        bank = each.bank
        if said.mask is not None:
            found = answer_by_mask(self.model, image, self._mask_tensor(said.mask))
        else:
            corrected = bank.known(frame)
            low_res = None
            if corrected is not None:
                low_res = bank.low_res(corrected).to(self.model.device)
                low_res = low_res.clamp(-_MOST_CERTAIN, _MOST_CERTAIN)
            # Only an object that was followed to this frame has a memory there.
            memory = self._memory(bank, frame, 1) if frame in bank.followed else None
            found = answer(self.model, image, memory, self._frame_prompt(said), low_res)
        return bank.remember(found, remembered_map(self.model, image, found))

    @torch.no_grad()
    def propagate(
        self,
        direction: Direction = "forward",
        *,
        start: int | None = None,
        most: int | None = None,
    ) -> Iterator[TrackedFrame]:
        """Follow all objects, a frame at a time.

        Parameters
        ----------
        direction
            ``"forward"``, ``"backward"`` or ``"both"``: first forward, then backward.
        start
            The first frame; by default the earliest that was prompted.
        most
            Follow through at most this many frames, in each direction, after the first.

        Yields
        ------
        TrackedFrame
            Each frame, the first included. Stopping early loses nothing.

        Raises
        ------
        TrackingError
            If there is no object to follow, or a parameter is out of its range.
        """
        if direction not in ("forward", "backward", "both"):
            raise TrackingError(
                f"The direction is {direction!r}; it must be 'forward', 'backward' or 'both'."
            )
        prompted = [frame for each in self._objects.values() for frame in each.prompts]
        if not prompted:
            raise TrackingError("There is no object to follow; add one first.")
        first = min(prompted) if start is None else start
        self._check_frame(first)
        reach = self._count if most is None else most
        steps = {"forward": (1,), "backward": (-1,), "both": (1, -1)}[direction]
        for step in steps:
            end = max(-1, first - reach - 1) if step < 0 else min(self._count, first + reach + 1)
            # The second way begins beside the frame that the first one had.
            begin = first + step if step < 0 and len(steps) > 1 else first
            for frame in range(begin, end, step):
                yield self._follow(frame, step)

    @torch.no_grad()
    def _follow(self, frame: int, step: int) -> TrackedFrame:
        for each in self._objects.values():
            bank = each.bank
            if frame in bank.prompted:
                continue
            image = self._encode(frame)
            found = answer(self.model, image, self._memory(bank, frame, step))
            bank.follow(frame, bank.remember(found, remembered_map(self.model, image, found)))
        return self.known(frame)

    def remove(self, object: int, frame: int | None = None) -> None:
        """Remove an object, or what was said about it in one frame.

        Parameters
        ----------
        object
        frame
            None removes the object from all frames. Otherwise its answer there stays until the
            frame is followed again; an object that was prompted nowhere else is removed.

        Raises
        ------
        TrackingError
            If there is no such object, or nothing was said about it in the frame.
        """
        each = self._objects.get(object)
        if each is None:
            known = ", ".join(map(str, self.ids)) or "none"
            raise TrackingError(f"There is no object {object}; the objects are {known}.")
        if frame is not None and frame not in each.prompts:
            raise TrackingError(f"Nothing was said about object {object} in frame {frame}.")
        if frame is None or len(each.prompts) == 1:
            order = list(self._objects)

            def undo() -> None:
                self._objects[object] = each
                self._objects = {i: self._objects[i] for i in order if i in self._objects}

            del self._objects[object]
        else:
            said, prompted = each.prompts.pop(frame), each.bank.prompted.pop(frame)
            each.bank.followed[frame] = prompted

            def undo() -> None:
                self._put_back(object, frame, said, prompted, None)

        self._undo.append(undo)

    def undo(self) -> bool:
        """Undo the last `add` or `remove`; return whether there was one.

        Frames that were followed since keep their masks until they are followed again.
        """
        if not self._undo:
            return False
        self._undo.pop()()
        return True

    def known(self, frame: int) -> TrackedFrame:
        """Return what is known of a frame, without following anything.

        Objects that were not followed to it are left out.

        Raises
        ------
        TrackingError
            If there is no such frame.
        """
        self._check_frame(frame)
        ids, low_res, presence, iou = [], [], [], []
        for object_id, each in self._objects.items():
            remembered = each.bank.known(frame)
            if remembered is not None:
                ids.append(object_id)
                low_res.append(each.bank.low_res(remembered)[0, 0].cpu().numpy())
                presence.append(remembered.presence)
                iou.append(remembered.iou)
        side = self.model.config.low_res_size
        return TrackedFrame(
            frame,
            tuple(ids),
            np.stack(low_res) if ids else np.empty((0, side, side), np.float32),
            np.array(presence, np.float32),
            np.array(iou, np.float32),
            self._size,
        )

    # Meta's names, so that code written for its video predictor reads the same.

    def init_state(self, video_path: Any, **_: Any) -> SamTracker:
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

    @property
    def _count(self) -> int:
        return 0 if self.frames is None else len(self.frames)

    def _check_frame(self, frame: int) -> None:
        if self.frames is None:
            raise TrackingError("There are no frames; call start(frames) first.")
        if not 0 <= frame < self._count:
            raise TrackingError(
                f"There is no frame {frame}; there are {self._count}, counted from 0."
            )

    def _encode(self, frame: int) -> ImageEmbedding:
        if self._encoded is None or self._encoded[0] != frame:
            self._encoded = None  # before the next one takes memory
            assert self.frames is not None
            pixels = frame_of(self.frames, frame)
            if pixels.shape[:2] != self._size:
                height, width = pixels.shape[:2]
                raise TrackingError(
                    f"Frame {frame} is {height} high and {width} wide, but the first is "
                    f"{self._size[0]} high and {self._size[1]} wide; all must have one size."
                )
            resized = torch.from_numpy(self._transform.apply_image(pixels)).permute(2, 0, 1)
            self._encoded = frame, self.model.encode_frame(self.model.preprocess(resized)[None])
        return self._encoded[1]

    def _memory(self, bank: MemoryBank, frame: int, step: int) -> Any:
        config = self.model.config.memory
        assert config is not None
        # In a video shorter than the memory, times are counted on a shorter scale.
        longest = max(1, min(self._count, config.pointers) - 1)
        return memory_of(
            self.model,
            bank.maps(frame, config.frames - 1, step),
            bank.pointers(frame, longest, step),
            longest,
        )

    def _frame_prompt(self, said: _Prompts) -> FramePrompt:
        coords = labels = boxes = None
        if said.coords is not None and said.labels is not None:
            scaled = self._transform.apply_coords(said.coords, self._size)
            coords = torch.as_tensor(scaled, dtype=torch.float32)[None]
            labels = torch.as_tensor(said.labels)[None]
        if said.box is not None:
            scaled = self._transform.apply_boxes(said.box, self._size)
            boxes = torch.as_tensor(scaled, dtype=torch.float32)
        return FramePrompt(coords, labels, boxes)

    def _mask_tensor(self, mask: NDArray[np.bool_]) -> Tensor:
        """The mask stretched to the encoder's input, (1, 1, S, S), 0 and 1."""
        values = torch.from_numpy(mask).float()[None, None].to(self.model.device)
        size = (self.model.config.image_size,) * 2
        if values.shape[2:] != size:
            values = F.interpolate(
                values, size, mode="bilinear", align_corners=False, antialias=True
            )
        return (values >= 0.5).float()


def _set_or_drop(records: dict[int, _Record], frame: int, value: _Record | None) -> None:
    records.pop(frame, None)
    if value is not None:
        records[frame] = value


def _as_meta(found: TrackedFrame) -> tuple[int, list[int], Tensor]:
    numbers: Iterable[int] = range(len(found.ids))
    logits = [torch.from_numpy(found.logits(number))[None] for number in numbers]
    masks = torch.stack(logits) if logits else torch.empty(0, 1, *found.image_size)
    return found.frame, list(found.ids), masks
