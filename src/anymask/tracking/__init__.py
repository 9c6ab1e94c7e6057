"""Objects followed through videos, series and stacks, with a model of SAM 2."""

from anymask.tracking.frames import open_frames
from anymask.tracking.tracked_frame import TrackedFrame
from anymask.tracking.tracker import SamTracker

__all__ = ["SamTracker", "TrackedFrame", "open_frames"]
