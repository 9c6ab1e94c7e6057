"""What ``anymask finetune`` does when training is over: thresholds, verdict, learning curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rich.console import RenderableType
from rich.text import Text

from anymask.errors import AnymaskError

if TYPE_CHECKING:
    from anymask.evaluation.data import Example
    from anymask.training.finetune.progress import Progress
    from anymask.training.finetune.results import FineTuned

FULL, PROMPTS, NONE = "full", "prompts", "none"


@dataclass(frozen=True)
class AfterTraining:
    """What is to be done, checked before training begins.

    Attributes
    ----------
    verdict : {"full", "prompts", "none"}
    tune : bool
    counts : list of int or None
        Numbers of images of the learning curve; None for no curve.
    test : sequence of Example or None
        Images for the verdict alone.
    """

    verdict: str
    tune: bool
    counts: list[int | None] | None
    test: Sequence[Example] | None

    def run(
        self,
        tuned: FineTuned,
        model: str | None,
        *,
        group: str | None,
        resume: bool,
        device: str,
        dtype: str,
        cache_dir: Path | None,
        progress: Progress,
        options: dict[str, Any],
    ) -> list[RenderableType]:
        """Do it, and return what is to be printed."""
        from anymask.training.judging import judge_fine_tuning, tune_fine_tuned
        from anymask.training.learning_curve import learning_curve
        from anymask.training.verdict import MOST_IMAGES

        where: dict[str, Any] = {"device": device, "dtype": dtype, "progress": progress}
        said: list[RenderableType] = []
        if self.tune:
            from anymask.evaluation.tuning_report import verdict_sentence

            tuning = tune_fine_tuned(tuned, **where)
            said.append(Text(f"Thresholds of 'everything': {verdict_sentence(tuning)}"))
        if self.verdict != NONE:
            images = MOST_IMAGES if self.verdict == FULL else 0
            verdict = judge_fine_tuning(
                tuned,
                model,
                self.test,
                # The expression is about the names of the images that were held out.
                group=group if self.test is None else None,
                everything=images,
                **where,
            )
            said += [verdict.table(), Text(verdict.sentence)]
        if self.counts is not None:
            where["cache_dir"] = cache_dir
            curve = learning_curve(
                tuned, model, self.counts, group=group, resume=resume, **where, **options
            )
            said += [curve.table(), Text(curve.sentence)]
        return said


def after_training(
    verdict: str | None,
    tune: bool,
    curve: str | None,
    test: Sequence[Path] | None,
    *,
    semantic: bool,
    components: bool,
) -> AfterTraining:
    """Check what is asked for, and open the test images.

    Raises
    ------
    AnymaskError
        If it is unknown, or is about objects where classes of pixels are learnt.
    """
    from anymask.training.datasets.opening import open_dataset
    from anymask.training.learning_curve import parse_counts

    if verdict not in (None, FULL, PROMPTS, NONE):
        raise AnymaskError(f"--verdict is {verdict!r}; it can be {FULL}, {PROMPTS} or {NONE}.")
    named = {
        "--verdict": verdict not in (None, NONE),
        "--tune": tune,
        "--learning-curve": curve is not None,
        "--test": bool(test),
    }
    asked = [name for name, given in named.items() if given]
    if semantic and asked:
        raise AnymaskError(f"{asked[0]} is about objects and does not go with --semantic.")
    if test and verdict == NONE:
        raise AnymaskError("--test gives images for the verdict, and --verdict none leaves it out.")
    counts = None if curve is None else parse_counts(curve)
    objects = cast(Any, "components" if components else "auto")
    opened = open_dataset(*test, objects=objects) if test else None
    return AfterTraining(NONE if semantic else verdict or FULL, tune, counts, opened)
