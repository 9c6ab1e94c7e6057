"""Images with masks to train on: opened, checked, split, shown."""

from anymask.training.datasets.checking import DatasetCheck, check_dataset
from anymask.training.datasets.dataset import Dataset
from anymask.training.datasets.opening import open_dataset
from anymask.training.datasets.sheet import contact_sheet
from anymask.training.datasets.splits import Split, read_split, write_split

__all__ = [
    "Dataset",
    "DatasetCheck",
    "Split",
    "check_dataset",
    "contact_sheet",
    "open_dataset",
    "read_split",
    "write_split",
]
