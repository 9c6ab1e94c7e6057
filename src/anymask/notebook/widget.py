"""The widget: what Python and the page of a notebook tell each other."""

from __future__ import annotations

import io
import math
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import numpy as np
import traitlets
from numpy.typing import NDArray
from PIL import Image as Pillow

from anymask.errors import AnymaskError
from anymask.masks.mask_set import MaskSet
from anymask.notebook.answering import Answer, Answers, StoppedError
from anymask.notebook.one_file import page_as_one_file
from anymask.notebook.runs import labels_of, triples_of

if TYPE_CHECKING:
    from anymask.model.sam import Sam

_NO_PROMPTS: dict[str, Any] = {"points": [], "labels": [], "box": None}
_MOST_ID = np.iinfo(np.uint16).max


class Annotation(anywidget.AnyWidget):
    """An image in a notebook, with objects that are clicked, drawn and corrected by hand.

    Made by :func:`anymask.annotate`. The attributes are traits: ``observe`` calls a function when
    one changes, and assigning one changes what is shown.

    Attributes
    ----------
    masks : MaskSet
        The objects with their ids, classes and predicted IoU. They do not overlap: of assigned
        masks that do, the smaller is on top.
    labels : (H, W) uint16 array
        The same as a label image: one id a pixel, 0 for background.
    prompts : dict
        ``points``, (x, y) each, ``labels`` (1 on the object, 0 not) and ``box`` (XYXY or None) of
        the next object, which is offered and not committed yet; pixels of the image.

    Examples
    --------
    .. code-block:: python

        widget = anymask.annotate(image)
        widget.observe(lambda change: print(len(change.new)), "masks")
        widget.prompts = {"points": [[300, 60]], "labels": [1], "box": None}
    """

    _esm = Path(__file__).with_name("widget.js")
    _page = traitlets.Unicode().tag(sync=True)
    _height = traitlets.Int().tag(sync=True)
    _name = traitlets.Unicode().tag(sync=True)
    _classes = traitlets.List(traitlets.Unicode()).tag(sync=True)
    masks = traitlets.Instance(MaskSet)
    labels = traitlets.Instance(np.ndarray)
    prompts = traitlets.Dict().tag(sync=True)

    def __init__(
        self, sam: Sam, pixels: NDArray[np.uint8], name: str, classes: Sequence[str], height: int
    ) -> None:
        self._pixels, self._answers = pixels, Answers(sam, pixels)
        self._size = (pixels.shape[0], pixels.shape[1])
        self._facts: list[dict[str, Any]] = []
        self._stop = threading.Event()
        self._told = False  # whether a change comes from the page or from the other trait
        super().__init__(
            _page=page_as_one_file(),
            _height=height,
            _name=name,
            _classes=list(classes),
            masks=MaskSet.from_counts(self._size, []),
            labels=np.zeros(self._size, np.uint16),
            prompts=dict(_NO_PROMPTS),
        )
        self.on_msg(self._take)
        self.observe(self._masks_were_set, "masks")
        self.observe(self._labels_were_set, "labels")

    @traitlets.validate("labels")
    def _valid_labels(self, proposal: Any) -> NDArray[np.uint16]:
        labels = np.asarray(proposal["value"])
        if labels.shape != self._size or not np.issubdtype(labels.dtype, np.integer):
            raise AnymaskError(
                f"labels must be whole numbers of shape {self._size}, but these are {labels.dtype} "
                f"of shape {labels.shape}."
            )
        if labels.size and (labels.min() < 0 or labels.max() > _MOST_ID):
            raise AnymaskError(f"labels must be ids from 0 to {_MOST_ID}.")
        return labels.astype(np.uint16)

    @traitlets.validate("masks")
    def _valid_masks(self, proposal: Any) -> MaskSet:
        masks: MaskSet = proposal["value"]
        if masks.image_size != self._size:
            raise AnymaskError(
                f"These masks are of an image of height and width {masks.image_size}, but this one "
                f"has {self._size}."
            )
        if self._told:
            return masks
        names = masks.class_names or [""] * len(masks)
        facts = zip(masks.ids, names, masks.predicted_iou, masks.stability_score, strict=True)
        self._facts = [
            {"id": int(i), "class": name, "score": _known(iou), "stability": _known(stability)}
            for i, name, iou, stability in facts
        ]
        return self._masks_of(masks.to_labels())

    @traitlets.validate("prompts")
    def _valid_prompts(self, proposal: Any) -> dict[str, Any]:
        given = {**_NO_PROMPTS, **proposal["value"]}
        try:
            points = [[float(x), float(y)] for x, y in given["points"]]
            labels = [int(label) for label in given["labels"]]
            box = None if given["box"] is None else [float(side) for side in given["box"]]
            fits = set(given) == set(_NO_PROMPTS) and len(points) == len(labels)
            fits = fits and set(labels) <= {0, 1} and (box is None or len(box) == 4)
        except (TypeError, ValueError):
            fits = False
        if not fits:
            raise AnymaskError(
                'prompts must be {"points": [[x, y], …], "labels": [1, 0, …], "box": None or '
                "[left, top, right, bottom]}, with a label for each point."
            )
        return {"points": points, "labels": labels, "box": box}

    def _masks_were_set(self, change: Any) -> None:
        if not self._told:
            self._quietly(labels=change.new.to_labels())
            self._show()

    def _labels_were_set(self, change: Any) -> None:
        if not self._told:
            self._quietly(masks=self._masks_of(change.new))
            self._show()

    def _quietly(self, **traits: Any) -> None:
        """Set traits that follow from what the page or the other trait says."""
        self._told = True
        try:
            with self.hold_trait_notifications():
                for name, value in traits.items():
                    setattr(self, name, value)
        finally:
            self._told = False

    def _masks_of(self, labels: NDArray[Any]) -> MaskSet:
        """Return the objects of a label image, with what is known of them, and forget others."""
        plain = MaskSet.from_labels(labels)
        known = {fact["id"]: fact for fact in self._facts}
        self._facts = [known.get(i, {"id": i, "class": ""}) for i in plain.ids.tolist()]
        return MaskSet.from_counts(
            self._size,
            plain.counts,
            predicted_iou=[_number(fact.get("score")) for fact in self._facts],
            stability_score=[_number(fact.get("stability")) for fact in self._facts],
            object_ids=plain.ids,
            class_names=[fact["class"] for fact in self._facts],
        )

    def _show(self) -> None:
        """Show in the page what was set in Python."""
        self.send({"to": "all", "objects": self._facts}, [_bytes(triples_of(self.labels))])

    def _take(self, _: Any, content: dict[str, Any], buffers: list[Any]) -> None:
        """Do what the page asks; every failure becomes a sentence there."""
        what, to = content["what"], {"to": content["from"], "id": content.get("id")}
        try:
            if what == "objects":
                self._facts = content["objects"]
                triples = np.frombuffer(buffers[0], np.int32).reshape(-1, 3)
                labels = labels_of(triples, self._size)
                self._quietly(labels=labels, masks=self._masks_of(labels))
            elif what == "cancel":
                self._stop.set()
            elif what == "everything":
                self._stop.clear()
                threading.Thread(target=self._everything, args=(to, content), daemon=True).start()
            elif what == "begin":
                runs = _bytes(triples_of(self.labels))
                facts = {"config": self._answers.config, "objects": self._facts}
                self.send({**to, **facts}, [_png(self._pixels), runs])
            elif what == "prepare":
                self._answers.prepare()
                self.send(to)
            elif what == "predict":
                asked = content["points"], content["labels"], content["box"]
                self._reply(to, self._answers.predict(*asked))
        except AnymaskError as error:
            self.send({**to, "error": str(error)})

    def _everything(self, to: dict[str, Any], content: dict[str, Any]) -> None:
        def progress(share: float) -> None:
            if self._stop.is_set():
                raise StoppedError
            self.send({**to, "progress": share})

        try:
            asked = content["points_per_side"], content["limits"]
            self._reply(to, self._answers.everything(*asked, progress))
        except StoppedError:
            self.send({**to, "cancelled": True})
        except AnymaskError as error:
            self.send({**to, "error": str(error)})

    def _reply(self, to: dict[str, Any], answer: Answer) -> None:
        facts, runs = answer
        self.send({**to, "masks": facts}, [_bytes(runs)])


def _png(pixels: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, "png", compress_level=1)
    return file.getvalue()


def _bytes(runs: NDArray[np.int32]) -> memoryview:
    return memoryview(runs)  # type: ignore[arg-type] # arrays are buffers, which NumPy's types hide


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _number(value: float | None) -> float:
    return math.nan if value is None else value
