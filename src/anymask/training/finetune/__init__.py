"""Fine-tuning on your own images: start reading at `loop`, which calls the other modules."""

from anymask.training.finetune.finetune_results import FineTuned
from anymask.training.finetune.loop import finetune
from anymask.training.finetune.progress import Progress
from anymask.training.finetune.settings import FineTuneError, Settings

__all__ = ["FineTuneError", "FineTuned", "Progress", "Settings", "finetune"]
