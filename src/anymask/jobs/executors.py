"""Where the items of a job are done, as users say it."""

from __future__ import annotations

from typing import Any

from anymask.errors import AnymaskError
from anymask.jobs.work_through import Executor


def executor_for(jobs: int | None = None, dask: Any = None) -> Executor | None:
    """Return where items are done; None is this process.

    Parameters
    ----------
    jobs : int, optional
        Number of processes on this machine.
    dask : str, Client or Cluster, optional
        The address of a scheduler, "local" for a cluster on this machine, or what
        `dask.distributed` calls a client or a cluster.

    Raises
    ------
    AnymaskError
        If both are given, the number is not positive, or Dask is not installed.
    """
    if jobs is not None and jobs < 1:
        raise AnymaskError(f"jobs={jobs} is no number of processes; give 1 or more.")
    if dask is None:
        if jobs is None or jobs == 1:
            return None
        from anymask.jobs.processes import Processes

        return Processes(jobs)
    try:
        from anymask.jobs.on_dask import OnDask
    except ModuleNotFoundError as error:
        raise AnymaskError(
            f"dask= needs a package that is not installed ({error.name}); install it with "
            "pip install 'anymask[dask]'."
        ) from error
    if jobs is not None and dask != "local":
        raise AnymaskError(
            "jobs= is a number of processes on this machine, but the work is done by the workers "
            "of a Dask cluster; leave it out."
        )
    return OnDask(dask, jobs)
