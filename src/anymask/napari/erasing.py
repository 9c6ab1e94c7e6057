"""What is at a point of the image; the eraser, which erases it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anymask.napari.controller import Controller
    from anymask.session import LayerKey, Session


def is_inside(control: Controller, x: float, y: float) -> bool:
    """Whether a point is inside the image that is shown, the outer half of its border included."""
    record = control.record
    height, width = (0, 0) if record is None else record.size
    return -0.5 <= x < width - 0.5 and -0.5 <= y < height - 0.5


def label_at(control: Controller, x: float, y: float) -> int:
    """Return the object at a point, in the plane that is shown; 0 for none."""
    if control.session is None or control.current is None or not is_inside(control, x, y):
        return 0
    return int(control.session.layers.labels(control.current, control.plane)[round(y), round(x)])


def erase_at(control: Controller, x: float, y: float) -> None:
    """Erase the object at a point, in the plane that is shown."""
    if not is_inside(control, x, y):
        return
    plane = control.plane

    def erase(session: Session, key: LayerKey) -> None:
        label = int(session.layers.labels(key, plane)[round(y), round(x)])
        if label:
            stack = session.images[key.image].planes > 1
            session.edits.erase(key, [label], plane if stack else None)

    control.edit(erase)
