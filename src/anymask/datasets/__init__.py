"""Images with their true masks, for evaluation, tuning and training.

`opening` opens any place as a `Dataset`: `archives` unpacks, `layouts` finds images and masks,
`label_files`, `coco_files` and `result_files` read the masks, `scanning` reads every image once.
`checking` reports problems, `grouping` and `splits` hold images out.
"""

from anymask.datasets.checking import DatasetCheck, check_dataset
from anymask.datasets.dataset import Dataset
from anymask.datasets.opening import open_dataset
from anymask.datasets.sheet import contact_sheet
from anymask.datasets.splits import Split, read_split, write_split
from anymask.datasets.types import Example

__all__ = [
    "Dataset",
    "DatasetCheck",
    "Example",
    "Split",
    "check_dataset",
    "contact_sheet",
    "open_dataset",
    "read_split",
    "write_split",
]
