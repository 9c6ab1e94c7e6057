"""Published models of the Hugging Face hub: what they are, and where their files are here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from anymask.errors import CheckpointError

_FILES = ("*.json", "*.txt", "*.model", "*.safetensors")


@dataclass(frozen=True)
class Published:
    """A published model.

    Attributes
    ----------
    name, title : str
    repo_id : str
        Its id on the Hugging Face hub.
    licence : str
        Of its weights.
    megabytes : int
        What is downloaded, about.
    min_score : float
        Answers with a lower score are left out by default.
    """

    name: str
    title: str
    repo_id: str
    licence: str
    megabytes: int
    min_score: float = 0.3


def folder_of(known: Published) -> Path:
    """Return the folder of a model, downloaded the first time.

    Raises
    ------
    CheckpointError
        If it cannot be downloaded.
    """
    from anymask.checkpoints.download import is_offline
    from anymask.checkpoints.hub import fetch_files, is_cached
    from anymask.notices import tell

    if not is_cached(known.repo_id) and not is_offline():
        tell(
            f"Downloading {known.title} once: {known.repo_id} from the Hugging Face hub, about "
            f"{known.megabytes} MB, licence {known.licence}."
        )
    try:
        return fetch_files(known.repo_id, _FILES)
    except CheckpointError as error:
        if is_cached(known.repo_id):
            raise
        why = "ANYMASK_OFFLINE forbids downloading it" if is_offline() else "cannot be downloaded"
        raise CheckpointError(
            f"{known.title} is not on this machine, and {why}; run 'hf download {known.repo_id}' "
            "where there is a network, and give the folder that it prints in place of "
            f"{known.name}."
        ) from error
