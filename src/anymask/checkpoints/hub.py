"""Models of the Hugging Face hub by id, such as facebook/sam-vit-base.

They are stored in Hugging Face's own cache, shared with its other libraries.
"""

from __future__ import annotations

import re
from pathlib import Path

from anymask.checkpoints.download import is_offline
from anymask.checkpoints.identify import WEIGHT_SUFFIXES
from anymask.errors import CheckpointError

_SAFETENSORS = ("config.json", "*.safetensors", "*.safetensors.index.json")
_PICKLES = ("config.json", "pytorch_model*.bin", "pytorch_model.bin.index.json")
_ID = re.compile(r"[\w.-]+/[\w.-]+")


def is_hub_id(source: str) -> bool:
    """Whether a string has the form OWNER/NAME of a model on the hub.

    >>> is_hub_id("facebook/sam-vit-base"), is_hub_id("models/sam.pth"), is_hub_id("/data/sam")
    (True, False, False)
    """
    return (
        _ID.fullmatch(source) is not None
        and not source.endswith(WEIGHT_SUFFIXES)
        and not source.startswith(".")
    )


def fetch_from_hub(repo_id: str) -> Path:
    """Return the local folder of a model of the hub, downloading it if needed.

    Raises
    ------
    CheckpointError
        If there is neither a file nor a model with this id, or the hub cannot be reached.
    """
    folder = fetch_files(repo_id, _SAFETENSORS)
    if list(folder.glob("*.safetensors")):
        return folder
    return fetch_files(repo_id, _PICKLES)


def is_cached(repo_id: str) -> bool:
    """Whether files of a model of the hub are in the hub's cache."""
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(repo_id, "config.json"), str)


def fetch_files(repo_id: str, patterns: tuple[str, ...]) -> Path:
    """Return the local folder of a model of the hub, with some of its files.

    Parameters
    ----------
    repo_id : str
    patterns : tuple of str
        What the names of the files match.

    Raises
    ------
    CheckpointError
        As `fetch_from_hub`.
    """
    # Imported here because it is slow and most models are files.
    from huggingface_hub.utils import (
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        return _snapshot(repo_id, patterns)
    except GatedRepoError as error:
        raise CheckpointError(
            f"{repo_id} on the Hugging Face hub is only open to users who accepted its terms; "
            f"accept them on its page and log in with `hf auth login`."
        ) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise CheckpointError(
            f"There is no file {repo_id} and no model of that id on the Hugging Face hub that is "
            f"open to you; check the spelling, such as facebook/sam-vit-base."
        ) from error
    except LocalEntryNotFoundError as error:
        why = "ANYMASK_OFFLINE forbids downloading it" if is_offline() else "cannot be reached"
        raise CheckpointError(
            f"There is no file {repo_id}, and the model of that id on the Hugging Face hub is not "
            f"in its cache and {why}; check the path, or the network."
        ) from error
    except Exception as error:  # errors of its HTTP library, which changed between versions
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CheckpointError(
            f"{repo_id} cannot be downloaded from the Hugging Face hub ({reason}); try again."
        ) from error


def _snapshot(repo_id: str, patterns: tuple[str, ...]) -> Path:
    from huggingface_hub import snapshot_download

    return Path(
        snapshot_download(repo_id, allow_patterns=list(patterns), local_files_only=is_offline())
    )
