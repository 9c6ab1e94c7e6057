"""The Segment page: runs over images, and thresholds that take effect at once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QButtonGroup, QRadioButton, QSpinBox, QWidget

from anymask.napari.tasks import Latest
from anymask.napari.widgets import Form, Page, SliderRow, button, chooser, heading, hint, row
from anymask.session import OPTION_RANGES, EditedError, LayerKey, RunResult, Thresholds
from anymask.wording import counted

if TYPE_CHECKING:
    from anymask.model.sam import Sam
    from anymask.napari.canvas import Canvas
    from anymask.napari.controller import Controller
    from anymask.napari.model_loading import Models
    from anymask.napari.tasks import Task
    from anymask.session import RunProgress, Session

_SCOPES = (
    "All images, all pseudo-RGBs",
    "This image, all its pseudo-RGBs",
    "Only the layer shown now",
)


class SegmentPage(Page):
    """Runs the model and selects masks by thresholds."""

    def __init__(self, control: Controller, canvas: Canvas, models: Models) -> None:
        super().__init__()
        self._control, self._canvas, self._models = control, canvas, models
        self._latest = Latest(control.main, "thresholds", in_between=True)
        self._edits = 0
        self.everything = QRadioButton("All objects, one by one")
        self.semantic = QRadioButton("One mask of a class")
        self.everything.setToolTip("All objects, each with its own id")
        self.semantic.setToolTip(
            "All pixels of a class together (semantic), for models trained for that"
        )
        self._modes = QButtonGroup(self)
        for mode in (self.everything, self.semantic):
            self._modes.addButton(mode)
        self.scope = chooser(*_SCOPES)
        self.points, self.crops, self.tile = QSpinBox(), QSpinBox(), QSpinBox()
        for spin, name in (
            (self.points, "points_per_side"),
            (self.crops, "crop_n_layers"),
            (self.tile, "tile_size"),
        ):
            low, high, step, _ = OPTION_RANGES[name]
            spin.setRange(0 if spin is self.tile else int(low), int(high))
            spin.setSingleStep(int(step))
        self.tile.setSpecialValueText("whole image")
        self._options = QWidget()
        form = Form()
        form.add(
            "Search points per side",
            self.points,
            "The model looks at a grid of points; more find smaller objects, but take longer",
        )
        form.add(
            "Search enlarged, levels",
            self.crops,
            "Also search enlarged parts of the image; 0 is off",
        )
        form.add("Size of tiles, pixels", self.tile, "Segment large images in tiles of this size")
        self._options.setLayout(form)
        self.start = button("Run segmentation", self.run)
        self.start.setStyleSheet("font-weight: bold;")
        self.count = hint("")
        self.iou, self.stability = (
            SliderRow(low, high, default)
            for low, high, _, default in (OPTION_RANGES[name] for name in ("pred_iou", "stability"))
        )
        self.area = SliderRow(0, 10000, 0, decimals=0, root=True)
        self.logit = SliderRow(-10, 10, 0, decimals=1)
        self._sliders = QWidget()
        sliders = Form()
        sliders.add(
            "Quality ≥", self.iou, "The model's own estimate of how good a mask is (predicted IoU)"
        )
        sliders.add(
            "Stability ≥",
            self.stability,
            "How little a mask depends on the threshold of its scores",
        )
        sliders.add("Area ≥", self.area, "Pixels of a mask, including those hidden by another mask")
        self._sliders.setLayout(sliders)
        self._logits = QWidget()
        logits = Form()
        logits.add("Score ≥", self.logit, "At 0 the model is undecided")
        self._logits.setLayout(logits)
        for part in (self._options, self._sliders, self._logits):
            part.layout().setContentsMargins(0, 0, 0, 0)
        self.put(
            row(self.everything, self.semantic, 1),
            self._options,
            self.scope,
            self.start,
            heading("Which masks are kept"),
            self._sliders,
            self._logits,
            self.count,
            row(
                button(
                    "Back to the model's values",
                    self._defaults,
                    "The thresholds that the model was made with",
                ),
                button("Same for all images", self._for_all, "Edited layers are not changed"),
            ),
            hint("The sliders take effect at once, without running the model again."),
        )
        self.column.addStretch(1)
        for slider in (self.iou, self.stability, self.area):
            slider.moved.connect(lambda _: self._preview())
            slider.settled.connect(lambda _: self._settle())
        self.logit.moved.connect(lambda _: self._preview())
        self.logit.settled.connect(lambda _: self._settle())
        self._modes.buttonClicked.connect(lambda _: self._changed())
        for spin in (self.points, self.crops, self.tile):
            spin.editingFinished.connect(self._changed)
        for signal in (
            control.session_changed, control.options_changed, control.model_changed, canvas.shown,
        ):  # fmt: skip
            signal.connect(self.refresh)
        control.labels_changed.connect(lambda event: self._labels(event.layer))
        self.refresh()

    def shut(self) -> None:
        """End the thread."""
        self._latest.close()

    @property
    def mode(self) -> str:
        """The mode of runs."""
        return "semantic" if self.semantic.isChecked() else "everything"

    @property
    def thresholds(self) -> Thresholds:
        """The thresholds of the sliders."""
        base = self._known() or Thresholds()
        area = self.area.value
        return replace(base, pred_iou=self.iou.value, stability=self.stability.value, min_area=area)

    def _known(self) -> Thresholds | None:
        session, key, sam = self._control.session, self._control.current, self._control.sam
        if session is not None:
            if key is not None and session.runs.has_candidates(key):
                return session.runs.thresholds(key)
            if session.runs.options.thresholds is not None:
                return session.runs.options.thresholds
        return None if sam is None else Thresholds.of(sam)

    def refresh(self) -> None:
        """Show the current options and thresholds."""
        session, key = self._control.session, self._control.current
        if session is not None:
            options = session.runs.options
            (self.semantic if options.mode == "semantic" else self.everything).setChecked(True)
            self.points.setValue(options.points_per_side)
            self.crops.setValue(options.crop_n_layers)
            self.tile.setValue(options.tile_size or 0)
        elif not self.semantic.isChecked():
            self.everything.setChecked(True)
            self.points.setValue(32)
        movable = session is not None and key is not None and session.runs.has_candidates(key)
        scored = session is not None and key is not None and session.runs.has_scores(key)
        self._options.setVisible(self.mode == "everything")
        self._sliders.setVisible(movable or (not scored and self.mode == "everything"))
        self._logits.setVisible(scored or (not movable and self.mode == "semantic"))
        record = self._control.record
        if record is not None:
            height, width = record.size
            self.area.set_range(0, height * width / 4)
        known = self._known()
        if session is not None and key is not None and movable:
            limits = session.runs.limits(key)
            self.iou.set_range(limits.pred_iou, 1)
            self.stability.set_range(limits.stability, 1)
        else:
            self.iou.set_range(*OPTION_RANGES["pred_iou"][:2])
            self.stability.set_range(*OPTION_RANGES["stability"][:2])
        if known is not None:
            self.iou.set_value(known.pred_iou)
            self.stability.set_value(known.stability)
            self.area.set_value(known.min_area)
        if session is not None:
            self.logit.set_value(session.runs.options.semantic_threshold)
        self._tell()

    def _tell(self, count: int | None = None) -> None:
        session, key = self._control.session, self._control.current
        if session is None or key is None or session.layers.state(key) == "new":
            self.count.setText("This image has no masks yet.")
            return
        number = len(session.layers.ids(key)) if count is None else count
        self.count.setText(
            f"{number} object{'' if number == 1 else 's'} in {session.layers.title(key)}"
        )

    def _labels(self, key: LayerKey | None) -> None:
        if key == self._control.current:
            self._edits += 1
            self.refresh()

    def _changed(self) -> None:
        session = self._control.guarded(self._control.need_session)
        if session is None or session.read_only:
            return
        changes: dict[str, Any] = {
            "mode": self.mode,
            "points_per_side": self.points.value(),
            "crop_n_layers": self.crops.value(),
            "tile_size": None if self.tile.value() < 256 else self.tile.value(),
        }
        self._control.guarded(lambda: session.runs.set_options(**changes))
        self.refresh()

    def run(self) -> None:
        """Segment the chosen layers, after asking about edited ones."""
        control = self._control
        if control.session is None or control.current is None:
            control.ask_for_image()
            return
        control.leave()
        self._changed()
        keys = self._layers(control.session, control.current)
        self._models.with_model(lambda sam: self._run(sam, keys))

    def _layers(self, session: Session, current: LayerKey) -> list[LayerKey]:
        which = self.scope.currentIndex()
        if which == 2:
            return [current]
        return [key for key in session.layers if which == 0 or key.image == current.image]

    def _run(self, sam: Sam, keys: list[LayerKey]) -> None:
        control, session = self._control, self._control.session
        if session is None:
            return
        wanted, keep = keys, control.ask_what_stays(keys)
        if keep is None:
            return

        # Layers edited during the run are not in this list, so their masks are kept.
        may_go = session.layers.edited(wanted)
        how: Any = {"keep": keep or None, "replace": () if keep else may_go}

        def work(task: Task) -> RunResult:
            def tell(at: RunProgress) -> None:
                task.progress(at.fraction, f"{at.title} ({at.index + 1} of {at.total})")

            return session.runs.segment(sam, wanted, progress=tell, cancel=task.cancel, **how)

        def done(run: RunResult) -> None:
            if control.session is not session:  # the log of that session has it
                return
            failed = [(key, sentence) for key, sentence in run.failed if key in session.layers]
            count = f"{len(run.done)} of {len(wanted)}"
            kept = f"Cancelled: {count} were finished and are kept." if run.cancelled else ""
            if failed:
                key, sentence = failed[0]
                more = (
                    f" ({len(failed) - 1} more failed; the Images page shows them.)"
                    if len(failed) > 1
                    else ""
                )
                text = kept or f"Segmented {count}."
                control.say(f"{text} {session.layers.title(key)}: {sentence}{more}", "error")
            elif kept:
                control.say(kept)
            else:
                control.say(f"Segmented {count} in {run.seconds:.1f} s.", "good")
            self.refresh()

        control.run("Segmenting", work, done)

    def _preview(self) -> None:
        """Show the masks that the thresholds would keep."""
        session, key = self._control.session, self._control.current
        if session is None or key is None:
            return
        wanted, logit, edits = self.thresholds, self.logit.value, self._edits
        if session.runs.has_candidates(key):

            def work() -> Any:
                return session.runs.preview(key, wanted), session.runs.count(key, wanted)
        elif session.runs.has_scores(key):

            def work() -> Any:
                return session.runs.preview_semantic(key, logit), None
        else:
            return

        def done(found: Any) -> None:
            shown = (self._control.session, self._control.current, self._edits)
            if shown == (session, key, edits):
                labels, count = found
                self._canvas.preview(key, labels)
                self._tell(count)

        def failed(error: Exception) -> None:
            # What was asked of a session that is closed by now fails, and nobody waits for it.
            if self._control.session is session:
                self._control.fail(error)

        self._latest.ask(work, done, failed)

    def _settle(self, replacing: bool = False) -> None:
        """Apply the thresholds."""
        control = self._control
        session, key = control.session, control.current
        wanted, logit = self.thresholds, self.logit.value
        if session is None or key is None:
            return
        if not session.runs.has_candidates(key) and not session.runs.has_scores(key):
            self._note(session, wanted, logit)
            return

        def work() -> Any:
            if session.runs.has_candidates(key):
                return session.runs.set_thresholds(key, wanted, replace=replacing)
            return session.runs.set_semantic_threshold(key, logit, replace=replacing)

        def done(_: Any) -> None:
            if control.session is session:
                self._canvas.preview(key, None)
                self._note(session, wanted, logit)

        def failed(error: Exception) -> None:
            if control.session is not session:
                return
            self._canvas.preview(key, None)
            if isinstance(error, EditedError):
                if control.allow_replacing([key]):
                    self._settle(replacing=True)
                    return
            else:
                control.fail(error)
            self.refresh()

        self._latest.ask(work, done, failed)

    def _note(self, session: Session, wanted: Thresholds, logit: float) -> None:
        """Use the same thresholds for the next run."""
        if session.read_only:
            return
        if self._logits.isVisibleTo(self):
            self._control.guarded(lambda: session.runs.set_options(semantic_threshold=logit))
        else:
            self._control.guarded(lambda: session.runs.set_options(thresholds=wanted))

    def _defaults(self) -> None:
        sam, session = self._control.sam, self._control.session
        if sam is None:
            self._control.say("Initialize a model first, on the Model page.")
            return
        own = Thresholds.of(sam)
        self.iou.set_value(own.pred_iou)
        self.stability.set_value(own.stability)
        self.area.set_value(own.min_area)
        self.logit.set_value(0.0)
        if session is not None:
            self._settle()

    def _for_all(self) -> None:
        """Use these thresholds for all segmented layers that were not edited."""
        control, session = self._control, self._control.session
        if session is None:
            return
        wanted, logit = self.thresholds, self.logit.value
        edited = set(session.layers.edited())
        scored = self._logits.isVisibleTo(self)

        def work(task: Task) -> int:
            keys = [key for key in session.layers if key not in edited]
            movable = session.runs.has_scores if scored else session.runs.has_candidates
            keys = [key for key in keys if movable(key)]
            for at, key in enumerate(keys):
                task.progress(at / len(keys), session.layers.title(key))
                if task.cancel.is_cancelled:
                    return at
                if scored:
                    session.runs.set_semantic_threshold(key, logit)
                else:
                    limits = session.runs.limits(key)
                    session.runs.set_thresholds(
                        key,
                        replace(
                            wanted,
                            pred_iou=max(wanted.pred_iou, limits.pred_iou),
                            stability=max(wanted.stability, limits.stability),
                        ),
                    )
            return len(keys)

        def done(count: int) -> None:
            left = f"; {len(edited)} edited ones were not changed" if edited else ""
            control.say(f"Thresholds set for {counted(count, 'layer')}{left}.", "good")

        control.run("Setting thresholds", work, done)
