"""The Pseudo-RGB page: expressions checked while typing, presets, and single bands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QLabel, QLineEdit, QListWidget, QListWidgetItem, QSlider

from anymask.images.indices import INDICES
from anymask.images.recipes import METHODS
from anymask.napari.dialogs import ask
from anymask.napari.tasks import Latest
from anymask.napari.widgets import Form, Page, button, chooser, heading, hint, row
from anymask.session import EditedError, RecipeAdded, check_expressions
from anymask.session.rendering import plane_of
from anymask.wording import counted

if TYPE_CHECKING:
    from anymask.images.image import Image
    from anymask.napari.canvas import Canvas
    from anymask.napari.controller import Controller
    from anymask.napari.tasks import Task
    from anymask.session import Session

_FIELDS = ("Red", "Green", "Blue")
_TITLES = {"truecolor": "True colour", "pca": "PCA (three components)", "mnf": "MNF"}
_HELP = (
    "An expression over bands with + - * / ** and functions such as log, sqrt and mean.\n"
    "The first field alone gives a grey image; it can also be an index such as ndvi."
)
_CHECK_MS = 150
_ENTERS = (QEvent.Type.FocusIn, QEvent.Type.MouseButtonPress)
_EVERYWHERE = 0  # index in the list of scopes
_WRONG = "border: 1px solid #e05555;"


class PseudoRgbPage(Page):
    """Adds, shows and removes pseudo-RGBs."""

    def __init__(self, control: Controller, canvas: Canvas) -> None:
        super().__init__()
        self._control, self._canvas = control, canvas
        self._latest = Latest(control.main, "bands", in_between=True)
        self._checks = Latest(control.main, "expressions")
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(_CHECK_MS)
        self._soon.timeout.connect(self.check)
        self.list = QListWidget()
        self.list.setFixedHeight(62)
        self.list.itemClicked.connect(lambda item: self._show(item.text()))
        self.preset = chooser()
        self.preset.addItem("Presets…", "")
        for name in METHODS:
            self.preset.addItem(_TITLES[name], name)
        for index in INDICES.values():
            self.preset.addItem(f"{index.name}: {index.title}", index.name)
        self.preset.activated.connect(lambda _: self._take_preset())
        self.name = QLineEdit()
        self.name.setPlaceholderText("named after the expressions")
        self.fields = [QLineEdit() for _ in _FIELDS]
        form = Form()
        form.add("Name", self.name)
        self._last = self.fields[0]
        for title, field in zip(_FIELDS, self.fields, strict=True):
            form.add(title, field, _HELP)
            field.installEventFilter(self)
            field.textChanged.connect(lambda _: self._soon.start())
        for line in (self.name, *self.fields):
            line.returnPressed.connect(self._enter)
        self.fields[0].setPlaceholderText("nm(860)   or   ndvi, shown in grey")
        self.fields[1].setPlaceholderText("nm(680)")
        self.fields[2].setPlaceholderText("ch[4] / ch[10:20]")
        self.problem = QLabel()
        self.problem.setWordWrap(True)
        self.problem.setTextFormat(Qt.TextFormat.PlainText)
        self.scope = chooser("for all images", "for this image")
        self.scope.setFixedWidth(140)
        self.scope.currentIndexChanged.connect(lambda _: self._soon.start())
        self.add_button = button("Add", self.add)
        self.bands = QSlider(Qt.Orientation.Horizontal)
        self.bands.valueChanged.connect(lambda _: self._show_band())
        self.band_name = QLabel()
        self.put(
            heading("Pseudo-RGBs of this image"),
            self.list,
            row(
                button("Remove here", lambda: self.remove(everywhere=False), "From this image"),
                button("Remove everywhere", lambda: self.remove(everywhere=True)),
            ),
            heading("Add one"),
            self.preset,
            form,
            self.problem,
            row(self.add_button, self.scope, 1),
            hint("ch[4] is a band by number, nm(680) by wavelength; ch[10:20] is a mean."),
            heading("Show one band"),
            row(self.bands),
            row(self.band_name, 1, button("Back to pseudo-RGB", self._hide_band)),
        )
        self.column.addStretch(1)
        control.current_changed.connect(self._fill)
        control.recipes_changed.connect(self._fill)
        self._fill()

    def shut(self) -> None:
        """End the threads."""
        self._latest.close()
        self._checks.close()

    def _fill(self) -> None:
        record, current = self._control.record, self._control.current
        self._latest.forget()
        self._checks.forget()
        self.list.clear()
        for how in () if record is None else record.recipes:
            item = QListWidgetItem(how.name)
            item.setToolTip("; ".join(how.source))
            self.list.addItem(item)
            if current is not None and how.name == current.recipe:
                self.list.setCurrentItem(item)
        bands = 0 if record is None else record.bands
        self.bands.blockSignals(True)
        self.bands.setRange(0, max(bands - 1, 0))
        self.bands.setEnabled(bands > 1)
        self.bands.blockSignals(False)
        self.band_name.setText(f"{bands} bands" if bands > 1 else "This image has one band.")
        self._soon.start()

    @property
    def texts(self) -> list[str]:
        """The expressions: one or three."""
        texts = [field.text().strip() for field in self.fields]
        return texts[:1] if not any(texts[1:]) else texts

    def check(self) -> None:
        """Check the expressions and show what is wrong."""
        texts, session, current = self.texts, self._control.session, self._control.current
        self._checks.forget()
        if not any(texts) or session is None or current is None:
            self._tell([], bool(any(texts)))
            return

        def done(problems: Any) -> None:
            if texts == self.texts:
                self._tell(problems, True)

        self._checks.ask(
            lambda: check_expressions(session.images.load(current.image), texts),
            done,
            lambda error: self._tell([error], True),
        )

    def _tell(self, problems: list[Any], given: bool) -> None:
        wrong = {getattr(problem, "field", 0): problem for problem in problems}
        for at, field in enumerate(self.fields):
            field.setStyleSheet(_WRONG if at in wrong else "")
        several = len(self._control.session.images) > 1 if self._control.session else False
        # It may fit other images than the one that is shown.
        elsewhere = several and self.scope.currentIndex() == _EVERYWHERE
        self.add_button.setEnabled(given and (elsewhere or not problems))
        if not problems:
            self.problem.setText("✓ fits this image" if given else "")
            self.problem.setStyleSheet("color: #5fbf7f;")
            return
        problem = problems[0]
        text = str(getattr(problem, "sentence", problem))
        if hasattr(problem, "position"):
            source = self.texts[problem.field]
            start = max(0, problem.position - 24)
            text += (
                f"\n{source[start : problem.position + 16]}\n{' ' * (problem.position - start)}^"
            )
        self.problem.setText(text)
        self.problem.setStyleSheet("color: #ff8a80; font-family: monospace; font-size: 8pt;")

    def _take_preset(self) -> None:
        """Put an index into the field that was used last; a method takes all three.

        Where all are empty, it is the first field: an index alone is shown in grey.
        """
        name = str(self.preset.currentData())
        if name in METHODS:
            for field, text in zip(self.fields, (name, "", ""), strict=True):
                field.setText(text)
            self.name.clear()
        elif name:
            field = self._last if any(each.text() for each in self.fields) else self.fields[0]
            field.setText(name)
            field.setFocus()
        self.preset.setCurrentIndex(0)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Note which field the user is in."""
        if event is not None and event.type() in _ENTERS:
            self._last = next((each for each in self.fields if each is watched), self._last)
        return False

    def _enter(self) -> None:
        """Add with the Enter key; if the text was not checked yet, the check says what is wrong."""
        if self.add_button.isEnabled():
            self.add()

    def add(self) -> None:
        """Add the pseudo-RGB in the fields."""
        control, session, current = self._control, self._control.session, self._control.current
        texts, name = self.texts, self.name.text().strip() or None
        if session is None or current is None:
            control.ask_for_image()
            return
        everywhere = self.scope.currentIndex() == _EVERYWHERE

        def work(task: Task) -> RecipeAdded:
            def tell(done: int, total: int) -> None:
                task.progress(done / max(total, 1), f"{done} of {counted(total, 'image')}")

            if everywhere:
                return session.images.add_recipe_where_it_fits(
                    *texts, name=name, progress=tell, cancel=task.cancel
                )
            how = session.images.add_recipe(*texts, name=name, images=[current.image])
            return RecipeAdded(how, (current.image,), ())

        def done(added: RecipeAdded) -> None:
            if control.session is not session:
                return
            self.name.clear()  # the next one needs another
            shown = control.current
            if shown is not None and shown.image in added.ids:
                control.show(shown.image, added.recipe.name)
            if added.refused:
                self._tell_refused(session, added)

        control.run("Adding a pseudo-RGB", work, done)

    def _tell_refused(self, session: Session, added: RecipeAdded) -> None:
        """Say which images a pseudo-RGB was not added to, and why."""
        known = {record.id: record.name for record in session.images}
        names = [known[image] for image, _ in added.refused if image in known]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        self._control.say(
            f"{added.recipe.name} was added to {counted(len(added.ids), 'image')}. It does not fit "
            f"{', '.join(names[:3])}{more}: {added.refused[0][1]}"
        )

    def remove(self, everywhere: bool) -> None:
        """Remove the chosen pseudo-RGB from this image or from all."""
        control, session, current = self._control, self._control.session, self._control.current
        item = self.list.currentItem()
        if session is None or current is None or item is None:
            return
        name, images = item.text(), None if everywhere else [current.image]
        control.leave()
        try:
            session.images.remove_recipe(name, images)
        except EditedError as error:
            question = f"{error} Its masks would be deleted for good."
            if ask(control.window, "Remove a pseudo-RGB", question, ["Remove it"]):
                control.guarded(lambda: session.images.remove_recipe(name, images, force=True))
        except Exception as error:
            control.fail(error)

    def _show(self, name: str) -> None:
        if self._control.current is not None:
            self._control.show(self._control.current.image, name)

    def _show_band(self) -> None:
        band, record, plane = self.bands.value(), self._control.record, self._control.plane
        session = self._control.session
        if record is None or session is None:
            return
        nm = f" · {record.wavelengths[band]:.0f} nm" if record.wavelengths else ""
        title = f"band {band}{nm}"
        self.band_name.setText(title[0].upper() + title[1:])

        def work() -> Any:
            image: Image = plane_of(session.images.load(record.id), plane)
            if "C" not in image.axes:
                return _sample(image, band)
            return image.without_nodata(next(iter(image.channels([band]))))

        def done(pixels: Any) -> None:
            self._canvas.show_band(pixels, f"{record.name} · {title}")

        self._latest.ask(work, done, self._control.fail)

    def _hide_band(self) -> None:
        self._latest.forget()
        self._canvas.show_band(None)


def _sample(image: Image, band: int) -> Any:
    """Return one colour sample of a photograph, or the only band."""
    values = image.without_nodata(image.numpy(), image.axes)
    return values if "S" not in image.axes else values.take(band, axis=image.axes.index("S"))
