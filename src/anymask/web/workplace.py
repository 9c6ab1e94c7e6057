"""The session that is served, with the model, its queue and what is kept in memory."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from concurrent.futures import Future
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from anymask.session import ClickPrompts, Event, LayerKey, Preview, Region, RunProgress
from anymask.web.hub import Hub
from anymask.web.jobs import Job, Jobs
from anymask.web.leases import Leases
from anymask.web.model_queue import BusyError, ModelQueue
from anymask.web.places import Place
from anymask.web.shapes import Outlines
from anymask.web.tiles import Tiles
from anymask.wording import counted

if TYPE_CHECKING:
    from anymask.model.sam import Sam

# Answers that may still be committed without asking the model again; each may have megabytes.
_MOST_PREVIEWS = 32
# Layers whose labels stay in memory.
_MOST_LAYERS = 12

View = tuple[float, float, float, float]


class Workplace:
    """What all users share.

    Parameters
    ----------
    place : Place
    sam : Sam
        The model.
    source : str or Path, optional
        The argument of `anymask.load`.

    Attributes
    ----------
    session : Session
    queue : ModelQueue
        All work of the model goes through it.
    hub : Hub
    jobs : Jobs
    outlines : Outlines
    tiles : Tiles
    leases : Leases
    """

    def __init__(self, place: Place, sam: Sam, source: str | Path | None = None) -> None:
        self.place, self.session, self.sam = place, place.session, sam
        self.queue, self.hub, self.outlines = ModelQueue(), Hub(), Outlines()
        self.jobs = Jobs(self.hub, self.session.log)
        self.tiles = Tiles(self.session)
        self.leases = Leases()
        self._files = TemporaryDirectory(prefix="anymask-exports-")
        self._previews: OrderedDict[str, Preview] = OrderedDict()
        self._layers: OrderedDict[LayerKey, None] = OrderedDict()
        self._guard = threading.Lock()
        self._closed = False
        self._unsubscribe = self.session.subscribe(self._tell)
        self.session.runs.use_model(sam, source)

    @property
    def files(self) -> Path:
        """A folder for files that wait to be downloaded; removed when the server stops."""
        return Path(self._files.name)

    def close(self) -> None:
        """Stop the model, end the streams and close the session; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        for job in self.jobs.all():
            job.cancel.cancel()
        self.queue.close()
        self._unsubscribe()
        self.session.close()
        self._files.cleanup()

    def touch(self, layer: LayerKey) -> None:
        """Note that a layer is in use; labels of layers unused for long leave the memory."""
        with self._guard:
            self._layers[layer] = None
            self._layers.move_to_end(layer)
            if len(self._layers) <= _MOST_LAYERS:
                return
            self._layers.popitem(last=False)
            keep = list(self._layers)
        self.session.layers.release(keep)

    def prepare(self, user: str, layer: LayerKey, plane: int, view: View | None) -> Future[Region]:
        """Have an image encoded."""

        def work() -> Region:
            region = self._region(layer, view)
            return self.session.clicks.prepare(self.sam, layer, plane, region).region

        return self.queue.ask(user, work)

    def predict(
        self,
        user: str,
        layer: LayerKey,
        plane: int,
        prompts: ClickPrompts,
        several: bool | None,
        view: View | None,
    ) -> Future[tuple[str, Preview]]:
        """Have prompts answered; the preview is kept for a while under the name it comes with."""

        def work() -> tuple[str, Preview]:
            clicks = self.session.clicks
            ready = clicks.prepare(self.sam, layer, plane, self._region(layer, view))
            preview = clicks.predict(ready, prompts, multimask=several)
            return self._keep(preview), preview

        return self.queue.ask(user, work)

    def preview(self, name: str | None, layer: LayerKey, plane: int) -> Preview | None:
        """Return a preview of a layer by its name, if it is still kept."""
        with self._guard:
            found = self._previews.get(name or "")
        return (
            found if found is not None and found.layer == layer and found.plane == plane else None
        )

    def run_everything(self, user: str, job: Job, layers: list[LayerKey], replace: bool) -> None:
        """Find every object in layers, as a job; clicks of all users go in between."""

        def progress(run: RunProgress) -> None:
            job.title = (
                run.title if run.total == 1 else f"{run.title} ({run.index + 1}/{run.total})"
            )
            self.jobs.advance(job, run.fraction)
            self.queue.give_way()

        def work() -> str:
            run = self.session.runs.segment(
                self.sam, layers, replace=replace, progress=progress, cancel=job.cancel
            )
            job.result = {
                "done": [list(key) for key in run.done],
                "failed": [[*key, sentence] for key, sentence in run.failed],
            }
            if run.cancelled:
                return f"Cancelled; {len(run.done)} of {len(layers)} are done."
            if run.failed:
                first = run.failed[0][1]
                return f"{counted(len(run.failed), 'image')} of {len(layers)} failed: {first}"
            return f"{counted(len(run.done), 'image')} done in {run.seconds:.1f} s."

        def task() -> None:
            self.jobs.do(job, work)

        try:
            self.queue.ask(user, task, long=True)
        except BusyError as error:
            self.jobs.fail(job, error)
            raise

    def _region(self, layer: LayerKey, view: View | None) -> Region:
        given = None if view is None else (view[1], view[0], view[3], view[2])
        return self.session.clicks.region_for(self.sam, layer, given)

    def _keep(self, preview: Preview) -> str:
        name = secrets.token_hex(8)
        with self._guard:
            self._previews[name] = preview
            while len(self._previews) > _MOST_PREVIEWS:
                self._previews.popitem(last=False)
        return name

    def _tell(self, event: Event) -> None:
        """Tell all pages of a change of the session."""
        if event.kind in ("labels", "objects") and event.layer is not None:
            layer = event.layer
            if layer in self.session.layers:
                revision = self.session.layers.revision(layer)
                state = self.session.images.state(layer.image)
                self.hub.tell(
                    "layer", image=layer.image, rgb=layer.recipe, revision=revision, state=state
                )
        elif event.kind in ("images", "recipes", "classes", "saved"):
            self.hub.tell(event.kind)
