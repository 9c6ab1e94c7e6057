"""Fine-tuning on one's own images: `loop` reads from top to bottom, the rest is what it calls."""

from anymask.training.finetune.loop import finetune
from anymask.training.finetune.progress import Progress
from anymask.training.finetune.results import FineTuned
from anymask.training.finetune.settings import FineTuneError, Settings

__all__ = ["FineTuneError", "FineTuned", "Progress", "Settings", "finetune"]
