"""What ``anymask finetune`` does when training is over: thresholds, verdict, learning curve."""

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
    from anymask.training.finetune.progress import Progress
    from anymask.training.finetune.results import FineTuned

FULL, PROMPTS, NONE = "full", "prompts", "none"


@dataclass(frozen=True)
class AfterTraining:
    """What is to be done, checked before training begins.

    Attributes
    ----------
    verdict : {"full", "prompts", "none"}
    tune : bool or None
        None where nothing was said: thresholds are fitted if "everything" is judged at all and
        there are enough images to test them on.
    counts : list of int or None
        Numbers of images of the learning curve; None for no curve.
    semantic : bool
        Classes of pixels are learnt.
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
        """Do it, and return what is to be printed; `test` are images for the verdict alone."""
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
        # The expression is about the names of the images that were held out.
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
    """What to try where a fine-tuning did not make the model better: a sentence, or none.

    Parameters
    ----------
    tuned : FineTuned
    word : str
        Of the verdict.
    """
    if word in ("better", "untested"):
        return []
    epochs = len(tuned.history) - 1
    if tuned.best == epochs:
        return [f"The last epoch was the best, so more may help: --resume --epochs {2 * epochs}."]
    rate = max(figures.get("lr", 0.0) for figures in tuned.history)
    lower = f"a lower rate (--lr {rate / 3:.0e}), which suits images that the model knows already"
    if tuned.best == 0:
        return [f"No epoch beat the model before training; {lower}, or more images may still help."]
    told = "" if tuned.classes else "; --learning-curve 5,10,20,all tells whether they would"
    return [f"What may help is {lower}, or more images{told}."]


def after_training(
    verdict: str | None, tune: bool | None, curve: str | None, *, test: bool, semantic: bool
) -> AfterTraining:
    """Check what is asked for.

    Raises
    ------
    AnymaskError
        If it is unknown, or is about objects where classes of pixels are learnt.
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
        raise AnymaskError("--test gives images for the verdict, and --verdict none leaves it out.")
    return AfterTraining(
        verdict or FULL, tune, None if curve is None else parse_counts(curve), semantic
    )
