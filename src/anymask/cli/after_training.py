"""What ``anymask finetune`` does after training: thresholds, verdict, learning curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.text import Text

from anymask.errors import AnymaskError

if TYPE_CHECKING:
    from anymask.datasets.types import Example
    from anymask.reports.verdict import Verdict
    from anymask.training.finetune.finetune_results import FineTuned
    from anymask.training.finetune.progress import Progress

FULL, PROMPTS, NONE = "full", "prompts", "none"


@dataclass(frozen=True)
class AfterTraining:
    """What to do after training, checked before training begins.

    Attributes
    ----------
    verdict : {"full", "prompts", "none"}
    tune : bool or None
        Whether to fit thresholds. None if the user did not choose: they are fitted if the verdict
        includes "everything" and there are enough images to test them on.
    counts : list of int or None
        Numbers of images for the learning curve; None for no curve.
    semantic : bool
        Whether classes of pixels are learnt.
    """

    verdict: str
    tune: bool | None
    counts: list[int | None] | None
    semantic: bool

    def run(
        self,
        tuned: FineTuned,
        model: str | None,
        test: Sequence[Example] | None,
        *,
        group: str | None,
        resume: bool,
        device: str,
        dtype: str,
        cache_dir: Path | None,
        progress: Progress,
        options: dict[str, Any],
    ) -> list[RenderableType]:
        """Run all steps and return what to print; `test` holds images for the verdict only."""
        from anymask.evaluation.tuning import FEWEST_TO_TEST
        from anymask.reports.tuning_report import verdict_sentence
        from anymask.training.held_out import MOST_IMAGES
        from anymask.training.judging import (
            judge_class_fine_tuning,
            judge_fine_tuning,
            tune_fine_tuned,
        )
        from anymask.training.learning_curve import learning_curve

        where: dict[str, Any] = {"device": device, "dtype": dtype, "progress": progress}
        # The group expression matches names of held-out images, not of separate test images.
        of_judged = group if test is None else None
        said: list[RenderableType] = []
        worth_it = self.verdict == FULL and len(tuned.train) >= FEWEST_TO_TEST
        if self.tune or (self.tune is None and worth_it and not self.semantic):
            tuning = tune_fine_tuned(tuned, **where)
            said.append(Text(f"Thresholds of 'everything': {verdict_sentence(tuning)}"))
        if self.verdict != NONE:
            judged: Verdict
            if self.semantic:
                judged = judge_class_fine_tuning(tuned, model, test, group=of_judged, **where)
            else:
                where_all = {**where, "everything": MOST_IMAGES if self.verdict == FULL else 0}
                judged = judge_fine_tuning(tuned, model, test, group=of_judged, **where_all)
            said += [judged.table(), Text(judged.sentence)]
            said += [Text(line) for line in advice(tuned, judged.word)]
        if self.counts is not None:
            where["cache_dir"] = cache_dir
            curve = learning_curve(
                tuned, model, self.counts, group=group, resume=resume, **where, **options
            )
            said += [curve.table(), Text(curve.sentence)]
        return said


def advice(tuned: FineTuned, word: str) -> list[str]:
    """Say what to try next if fine-tuning did not improve the model: one sentence, or none.

    Parameters
    ----------
    tuned : FineTuned
    word : str
        Word of the verdict.
    """
    if word in ("better", "untested"):
        return []
    epochs = len(tuned.history) - 1
    if tuned.best == epochs:
        return [f"The last epoch was the best, so more may help: --resume --epochs {2 * epochs}."]
    rate = max(figures.get("lr", 0.0) for figures in tuned.history)
    lower = f"a lower rate (--lr {rate / 3:.0e}), which suits images the model already knows well"
    if tuned.best == 0:
        return [f"No epoch beat the model before training. Try {lower}, or more images."]
    curve = "" if tuned.classes else " (--learning-curve 5,10,20,all shows whether they would help)"
    return [f"Try {lower}, or more images{curve}."]


def after_training(
    verdict: str | None, tune: bool | None, curve: str | None, *, test: bool, semantic: bool
) -> AfterTraining:
    """Check the options and collect them.

    Raises
    ------
    AnymaskError
        If a value is unknown, or an option about objects is given with `semantic`.
    """
    from anymask.training.learning_curve import parse_counts

    if verdict not in (None, FULL, PROMPTS, NONE):
        raise AnymaskError(f"--verdict is {verdict!r}; it can be {FULL}, {PROMPTS} or {NONE}.")
    named = {
        "--verdict prompts": verdict == PROMPTS,
        "--tune": bool(tune),
        "--learning-curve": curve is not None,
    }
    asked = [name for name, given in named.items() if given]
    if semantic and asked:
        raise AnymaskError(f"{asked[0]} is about objects and does not go with --semantic.")
    if test and verdict == NONE:
        raise AnymaskError(
            "--test gives images for the verdict, but --verdict none skips it; give one of them."
        )
    return AfterTraining(
        verdict or FULL, tune, None if curve is None else parse_counts(curve), semantic
    )
