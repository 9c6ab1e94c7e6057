"""SamTracker: objects followed from frame to frame (arXiv 2408.00714).

Objects are prompted in any frame, followed forward or backward, and corrected where they went
wrong. Each object is followed on its own: what is remembered of one does not change another.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike

from anymask.images.resize import resize_for
from anymask.model.sam import ImageEmbedding, Sam
from anymask.model.sam2.following import (
    answer,
    answer_by_mask,
    memory_of,
    remembered_map,
)
from anymask.model.sam2.sam2 import Sam2
from anymask.tracking.errors import TrackingError
from anymask.tracking.frames import Frames, frame_of, open_frames
from anymask.tracking.memory_bank import MemoryBank, Remembered
from anymask.tracking.meta_names import MetaNames
from anymask.tracking.said import Said, frame_prompt, joined, mask_tensor
from anymask.tracking.tracked_frame import TrackedFrame
from anymask.tracking.undo import FollowedObject, Removal, Step

Direction = Literal["forward", "backward", "both"]

# Logits of an earlier answer are cut at this when it is corrected, as in Meta's code.
_MOST_CERTAIN = 32.0


class SamTracker(MetaNames):
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
        self._objects: dict[int, FollowedObject] = {}
        self._undo: list[Step | Removal] = []
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
        each = self._objects.get(object) or FollowedObject({}, MemoryBank())
        before = Said() if replace_earlier else each.prompts.get(frame, Said())
        said = joined(before, self._size, point_coords, point_labels, box, mask)
        self._change(object, each, frame, said)
        return self.known(frame)

    def _change(self, object: int, each: FollowedObject, frame: int, said: Said) -> None:
        """Answer by what is said now, and note how to undo it."""
        bank, prompts = each.bank, each.prompts
        step = Step(
            object, frame, prompts.get(frame), bank.prompted.get(frame), bank.followed.get(frame)
        )
        remembered = self._answered(each, frame, said)
        self._objects[object] = each
        prompts[frame] = said
        bank.prompted[frame] = remembered
        bank.followed.pop(frame, None)
        self._undo.append(step)

    def _answered(self, each: FollowedObject, frame: int, said: Said) -> Remembered:
        image = self._encode(frame)
        bank = each.bank
        if said.mask is not None:
            found = answer_by_mask(self.model, image, mask_tensor(said.mask, self.model))
        else:
            corrected = bank.known(frame)
            low_res = None
            if corrected is not None:
                low_res = bank.low_res(corrected).to(self.model.device)
                low_res = low_res.clamp(-_MOST_CERTAIN, _MOST_CERTAIN)
            # Only an object that was followed to this frame has a memory there.
            memory = self._memory(bank, frame, 1) if frame in bank.followed else None
            found = answer(
                self.model, image, memory, frame_prompt(said, self._transform, self._size), low_res
            )
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
            self._undo.append(Removal(dict(self._objects)))
            del self._objects[object]
            return
        said, prompted = each.prompts.pop(frame), each.bank.prompted.pop(frame)
        each.bank.followed[frame] = prompted
        self._undo.append(Step(object, frame, said, prompted, None))

    def undo(self) -> bool:
        """Undo the last `add` or `remove`; return whether there was one.

        Frames that were followed since keep their masks until they are followed again.
        """
        if not self._undo:
            return False
        self._objects = self._undo.pop().taken_back(self._objects)
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
