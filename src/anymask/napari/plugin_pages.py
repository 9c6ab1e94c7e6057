"""Pages of the panel that other packages add."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QWidget

from anymask import plugins
from anymask.napari.widgets import Page

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from anymask.napari.controller import Controller
    from anymask.session import LayerKey, Session

GROUP = "anymask.pages"
"""Entry points of packages with a `PluginPage`."""


class PageWindow:
    """What a page of another package sees of the window."""

    def __init__(self, control: Controller) -> None:
        self._control = control
        self._following: list[Callable[[], Any]] = []
        self._signals = [
            control.session_changed,
            control.current_changed,
            control.objects_changed,
            control.selection_changed,
        ]
        # A signal refers to a method of this object only weakly, but strongly to a function.
        self._call = lambda *_: self._tell()
        for signal in self._signals:
            signal.connect(self._call)

    @property
    def viewer(self) -> Viewer:
        """The napari viewer."""
        return self._control.viewer

    @property
    def session(self) -> Session | None:
        """The open session; None before the first image is added."""
        return self._control.session

    @property
    def layer(self) -> LayerKey | None:
        """The image and pseudo-RGB that is shown."""
        return self._control.current

    @property
    def selected(self) -> tuple[int, ...]:
        """Ids of the selected objects."""
        return self._control.selected

    def select(self, ids: list[int]) -> None:
        """Select objects of the layer that is shown."""
        self._control.select(ids)

    def say(self, text: str) -> None:
        """Show a sentence over the lower end of the page, and add it to the log."""
        self._control.say(text)

    def edit(self, change: Callable[[Session, LayerKey], Any]) -> Any:
        """Call ``change(session, layer)`` for the layer that is shown.

        Unfinished brush strokes are recorded first. An error is shown, and None returned.
        """
        return self._control.edit(change)

    def on_change(self, function: Callable[[], Any]) -> None:
        """Call a function when another image is shown, or objects or the selection change."""
        self._following.append(function)

    def _leave(self) -> None:
        """Call nothing any more; the page is gone."""
        self._following.clear()
        while self._signals:
            self._signals.pop().disconnect(self._call)

    def _tell(self) -> None:
        for function in tuple(self._following):
            self._control.guarded(function)


@dataclass(frozen=True, kw_only=True)
class PluginPage:
    """A page of the panel.

    Attributes
    ----------
    title : str
        The text of its tab; one or two short words.
    build : callable
        ``build(window)`` gets a `PageWindow` and returns a QWidget.
    """

    title: str
    build: Callable[[PageWindow], QWidget]


def plugin_pages(control: Controller, taken: set[str]) -> dict[str, Page]:
    """Build the pages of all installed packages, by title.

    One that cannot be built, or whose title is in `taken`, is left out with a `PluginWarning`.
    """
    pages: dict[str, Page] = {}
    for entry, form in plugins.loaded(GROUP, PluginPage, "page"):
        if form.title in taken or form.title in pages:
            plugins.leave_out(entry, "page", f"there is a page called {form.title} already")
            continue
        window = PageWindow(control)
        try:
            widget = form.build(window)
        except Exception as error:  # foreign code may raise anything
            window._leave()
            plugins.leave_out(entry, "page", str(error) or type(error).__name__)
            continue
        if not isinstance(widget, QWidget):
            window._leave()
            plugins.leave_out(entry, "page", "its build does not return a QWidget")
            continue
        widget.destroyed.connect(window._leave)
        page = Page()
        page.put(widget)
        pages[form.title] = page
    return pages
