"""Connects a session and the window: current image, selected objects, tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from qtpy.QtCore import QObject, Signal

from anymask.errors import AnymaskError
from anymask.napari.dialogs import ask
from anymask.napari.recent import note_recent, sessions_folder
from anymask.napari.tasks import InTurn, Latest, MainThread, Task, Tasks, sentence_of, trace_of
from anymask.session import Event, LayerKey, Session

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from qtpy.QtWidgets import QWidget

    from anymask.model.sam import Sam
    from anymask.session import ImageRecord
    from anymask.session.edits import Edits


NO_IMAGE = "Add an image first."
"""Said with a button that adds images, where there is none to work on."""


class Controller(QObject):
    """The state of the window for a session.

    Signals
    -------
    session_changed, images_changed, current_changed, recipes_changed, model_changed,
    options_changed, classes_changed, log_changed, selection_changed
        Something changed; read it from the session.
    labels_changed(Event), objects_changed(Event)
        Pixels of a layer changed; facts about its objects changed.
    lost(str)
        The file of the image to show is missing; a sentence says so.
    said(str, str, object)
        A sentence, its kind ("info", "good", "error") and a button: (text, function) or None.
    """

    session_changed = Signal()
    images_changed = Signal()
    current_changed = Signal()
    recipes_changed = Signal()
    model_changed = Signal()
    options_changed = Signal()
    classes_changed = Signal()
    log_changed = Signal()
    selection_changed = Signal()
    states_changed = Signal()
    lost = Signal(str)
    labels_changed = Signal(object)
    objects_changed = Signal(object)
    said = Signal(str, str, object)

    def __init__(self, viewer: Viewer, window: QWidget | None = None) -> None:
        super().__init__(window)
        self.viewer = viewer
        self.window = window
        self.main = MainThread(self)
        self.tasks = Tasks(self.main)
        self.small = InTurn(self.main, "thumbnails")
        self.pictures = Latest(self.main, "pictures")
        self.session: Session | None = None
        self.current: LayerKey | None = None
        self.plane = 0
        self.selected: tuple[int, ...] = ()
        self.sam: Sam | None = None
        self.model_source: str | None = None
        self.before_leaving: list[Callable[[], None]] = []
        self.before_closing: list[Callable[[], None]] = []
        # Does something after what was asked for before it; clicking has a queue.
        self.in_turn: Callable[[Callable[[], Any]], None] = lambda act: act()
        # Asks for images; the Images page does.
        self.choose_images: Callable[[], Any] = lambda: None
        self._unsubscribe: Callable[[], None] | None = None

    def ask_for_image(self) -> None:
        """Say that there is no image yet, with the button that adds some."""
        self.say(NO_IMAGE, "info", ("Add files…", self.choose_images))

    def say(
        self, text: str, kind: str = "info", action: tuple[str, Callable[[], Any]] | None = None
    ) -> None:
        """Show a sentence, and add it to the log."""
        if self.session is not None:
            self.session.log(text)
        self.said.emit(text, kind, action)

    def fail(self, error: BaseException) -> None:
        """Show an error, and add its traceback to the log."""
        trace = trace_of(error)
        if self.session is not None and trace:
            self.session.log(trace)
        self.say(sentence_of(error), "error")

    def guarded(self, function: Callable[[], Any]) -> Any:
        """Call a quick function; if it fails, show the error and return None."""
        try:
            return function()
        except Exception as error:
            self.fail(error)
            return None

    def run(
        self,
        title: str,
        work: Callable[[Task], Any],
        done: Callable[[Any], None] | None = None,
        failed: Callable[[Exception], None] | None = None,
    ) -> bool:
        """Start a long task, unless one is running; then say so."""
        if self.is_occupied():
            return False
        return self.tasks.run(title, work, done, failed or self.fail)

    def is_occupied(self) -> bool:
        """Whether a long task is running; if so, show a message."""
        task = self.tasks.task
        if task is not None:
            self.say(f"“{task.title}” is still running; wait for it, or press Cancel.")
        return task is not None

    def need_session(self) -> Session:
        """Return the session; create one named after the time if there is none yet."""
        if self.session is None:
            folder = sessions_folder()
            name = f"{datetime.now():%Y-%m-%d %H.%M.%S}"
            self.set_session(Session.create(folder / name))
        assert self.session is not None
        return self.session

    def need_current(self) -> tuple[Session, LayerKey]:
        """Return the session and the current layer.

        Raises
        ------
        AnymaskError
            If no image is shown.
        """
        if self.session is None or self.current is None:
            raise AnymaskError("There is no image yet; add one on the Images page.")
        return self.session, self.current

    def set_session(self, session: Session | None) -> None:
        """Switch to another session and close the previous one."""
        self._finish()
        self.leave()
        old, self.session = self.session, session
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        self.current, self.plane, self.selected = None, 0, ()
        if session is not None:
            note_recent(session.folder)
            self._unsubscribe = session.subscribe(
                lambda event: self.main.post(lambda: self._on_event(session, event))
            )
        self.session_changed.emit()
        self.images_changed.emit()
        if old is not None and old is not session:
            old.close()
        if session is None:
            self.current_changed.emit()
            return
        if self.sam is not None and session.runs.model is None:
            self.note_model()
        ids, wanted = session.images.ids, session.ui.get("image")
        self.show(wanted if wanted in ids else (ids[0] if ids else None))
        for message in session.messages:
            self.said.emit(message, "info", None)

    def note_model(self) -> None:
        """Record in the session, in the background, which model is in use."""
        session, sam, source = self.session, self.sam, self.model_source
        if session is None or sam is None or session.read_only:
            return

        def failed(error: Exception) -> None:
            if self.session is session:  # otherwise it was closed in the meantime
                self.fail(error)

        self.small.ask(lambda: session.runs.use_model(sam, source), lambda _: None, failed)

    def leave(self) -> None:
        """Record what is not in the session yet, such as a stroke."""
        for function in self.before_leaving:
            self.guarded(function)

    def _finish(self) -> None:
        """Do what still waits, before the session is closed."""
        for function in self.before_closing:
            self.guarded(function)

    def close(self) -> None:
        """End threads and close the session; the window is closing."""
        self.tasks.cancel()
        self._finish()
        self.leave()
        self.main.close()
        for thread in (self.small, self.pictures):
            thread.close()
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        session, self.session = self.session, None
        if session is not None:
            session.close()

    def show(self, image: str | None, recipe: str | None = None) -> None:
        """Show an image with one of its pseudo-RGBs."""
        self.leave()
        if self.session is None or image is None:
            self.current = None
        else:
            names = [how.name for how in self.session.images[image].recipes]
            last = self.session.ui.get("recipe") if recipe is None else recipe
            self.current = LayerKey(image, last if last in names else names[0])
            if self.session.ui.get("image") != image or self.session.ui.get("recipe") != (
                self.current.recipe
            ):
                self._remember(image=image, recipe=self.current.recipe)
        self.plane, self.selected = 0, ()
        self.current_changed.emit()
        self.selection_changed.emit()

    def _remember(self, **values: Any) -> None:
        if self.session is not None and not self.session.read_only:
            self.session.remember(**values)

    def step(self, by: int) -> None:
        """Show the next image, or the previous one."""
        if self.session is None or not self.session.images:
            return
        ids = self.session.images.ids
        at = ids.index(self.current.image) if self.current else 0
        self.show(ids[(at + by) % len(ids)])

    @property
    def record(self) -> ImageRecord | None:
        """The current image."""
        if self.session is None or self.current is None:
            return None
        return self.session.images[self.current.image]

    def select(self, ids: Iterable[int]) -> None:
        """Select objects of the current layer."""
        wanted = tuple(int(i) for i in ids)
        if wanted != self.selected:
            self.selected = wanted
            self.selection_changed.emit()

    def allow_replacing(self, layers: Sequence[LayerKey]) -> list[LayerKey] | None:
        """Ask before edited layers are replaced.

        Returns
        -------
        list of LayerKey or None
            The layers to replace; None if the user declined.
        """
        assert self.session is not None
        edited = self.session.layers.edited(layers)
        if not edited:
            return list(layers)
        names = ", ".join(self.session.layers.title(key) for key in edited[:4])
        names += f" and {len(edited) - 4} more" if len(edited) > 4 else ""
        keep = "Keep the edited ones" if len(edited) < len(layers) else None
        answer = ask(
            self.window,
            "Edited masks",
            f"Masks that you edited would be replaced: {names}. This can be undone layer by layer.",
            [*([keep] if keep else []), "Replace them"],
        )
        if answer == "Replace them":
            return list(layers)
        return [key for key in layers if key not in edited] if answer else None

    def ask_what_stays(self, layers: Sequence[LayerKey]) -> str | None:
        """Ask what a run does with masks that were made or edited by hand.

        Returns
        -------
        str or None
            "all" or "hand" for the objects that stay, "" for none; None if the user declined.
        """
        assert self.session is not None
        edited = self.session.layers.edited(layers)
        if not edited:
            return ""
        names = ", ".join(self.session.layers.title(key) for key in edited[:4])
        names += f" and {len(edited) - 4} more" if len(edited) > 4 else ""
        answers = {
            "Keep all, add what is new": "all",
            "Keep mine, replace automatic ones": "hand",
            "Replace all": "",
        }
        question = f"There are masks that you made or edited: {names}. Undo brings back what goes."
        answer = ask(self.window, "Masks of your own", question, list(answers))
        return None if answer is None else answers[answer]

    def edit(
        self,
        change: Callable[[Session, LayerKey], Any],
        done: Callable[[Any], None] | None = None,
    ) -> Any:
        """Edit the current layer, after what was asked for before; show an error if that fails.

        Parameters
        ----------
        change : callable
            Called with the session and the layer.
        done : callable, optional
            Called with the result, unless another layer is shown by then.

        Returns
        -------
        object
            The result; None if the edit has to wait for commits, or failed.
        """
        found: list[Any] = []
        where = self.guarded(self.need_current)

        def run() -> None:
            self.leave()
            found.append(change(*where))
            if done is not None and self.current == where[1]:
                done(found[0])

        if where is not None:
            self.in_turn(lambda: self.guarded(run))
        return found[0] if found else None

    def edit_slowly(
        self,
        title: str,
        change: Callable[[Session, LayerKey], Any],
        done: Callable[[Any], None] | None = None,
    ) -> None:
        """Edit the current layer in a long task, after what was asked for before."""
        where = self.guarded(self.need_current)

        def run() -> None:
            self.leave()
            self.run(title, lambda _: change(*where), done)

        if where is not None:
            self.in_turn(run)

    def undo(self) -> None:
        """Undo the last step of the current layer."""
        self._turn("undo")

    def redo(self) -> None:
        """Redo the step that was last undone."""
        self._turn("redo")

    def _turn(self, name: Literal["undo", "redo"]) -> None:
        if self.session is None or self.current is None:
            return
        edits, key = self.session.edits, self.current
        self.in_turn(lambda: self._turn_now(edits, key, name))

    def _turn_now(self, edits: Edits, key: LayerKey, name: Literal["undo", "redo"]) -> None:
        self.leave()
        waiting = edits.can_undo(key) if name == "undo" else edits.can_redo(key)
        if waiting is None:
            self.said.emit(f"There is nothing to {name} in this layer.", "info", None)
        else:
            self.guarded(lambda: edits.undo(key) if name == "undo" else edits.redo(key))

    def _on_event(self, session: Session, event: Event) -> None:
        """Pass on an event in the main thread."""
        if session is not self.session:
            return
        if event.kind == "images":
            ids = session.images.ids
            if self.current is None or self.current.image not in ids:
                self.current = None  # unsaved strokes went with the image
                self.images_changed.emit()
                self.show(ids[0] if ids else None)
            else:
                self.images_changed.emit()
        elif event.kind == "recipes":
            image = None if self.current is None else self.current.image
            names = [] if image is None else [how.name for how in session.images[image].recipes]
            if self.current is not None and self.current.recipe not in names:
                self.current = None  # unsaved strokes went with the pseudo-RGB
                self.show(image)
            self.recipes_changed.emit()
        elif event.kind in ("labels", "objects"):
            if event.kind == "labels":
                self.labels_changed.emit(event)
                self._drop_lost(session, event)
            self.objects_changed.emit(event)
            self.states_changed.emit()
        elif event.kind in ("run", "saved"):
            self.states_changed.emit()
        else:
            signal = {
                "model": self.model_changed,
                "options": self.options_changed,
                "classes": self.classes_changed,
                "log": self.log_changed,
            }.get(event.kind)
            if signal is not None:
                signal.emit()

    def _drop_lost(self, session: Session, event: Event) -> None:
        """Deselect objects that no longer exist."""
        if event.layer == self.current and self.current is not None and self.selected:
            there = set(session.layers.ids(self.current))
            self.select(i for i in self.selected if i in there)
