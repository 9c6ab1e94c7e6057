"""Do the items of a job in several processes of this machine.

Each process is Python anew, with a pipe in either direction. Pools of the standard library and of
loky break as a whole when one of their processes dies, and do not say which item it had; Dask's
would make `--jobs` need an extra. They, and `multiprocessing`, also run a script without
``if __name__ == "__main__":`` again in every process. With a pipe each, an end of file says that a
process died and the table of who has which item says what it was doing.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from anymask.errors import AnymaskError
from anymask.jobs.handing_out import HandingOut
from anymask.jobs.inputs import WorkItem
from anymask.jobs.work_through import Job, Results, Watch
from anymask.notices import tell

_LOOK = 0.1  # seconds between two looks at whether the run is cancelled
_PATIENCE = 5.0  # seconds for a process to end in
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_CODE = """
import sys
sys.path[:] = {path!r}
try:
    from anymask.jobs.process_worker import main
except BaseException as error:
    import pickle
    pickle.dump(("failed", type(error).__name__ + ": " + str(error)), sys.stdout.buffer)
else:
    main()
"""


class Processes:
    """Does items in several processes; each starts the job, and so loads the model, once.

    Parameters
    ----------
    count : int
        How many processes. They share out the threads that one would have.
    """

    def __init__(self, count: int) -> None:
        self.count = count

    def results(self, job: Job, items: Sequence[WorkItem], watch: Watch) -> Results:
        """Yield results as they are finished. A process that dies is replaced.

        Raises
        ------
        AnymaskError
            If a process cannot start the job, or ends while it does.
        """
        events: queue.SimpleQueue[tuple[_Process, str, Any]] = queue.SimpleQueue()
        environment = {**os.environ, **shared_threads(self.count)}
        out: HandingOut[_Process] = HandingOut(items, watch)

        def hire() -> None:
            process = _Process(events, environment)
            out.starting.add(process)
            process.send(job)

        def send(process: _Process, indices: Sequence[int]) -> None:
            for index in indices:
                process.send((index, items[index]))

        try:
            for _ in range(min(self.count, out.left)):
                hire()
            while out.left:
                watch.check()
                try:
                    process, word, what = events.get(timeout=_LOOK)
                except queue.Empty:
                    continue
                if word == "advance":
                    watch.advance(*what)
                elif word == "ready":
                    for said in what:
                        tell(said)
                    send(process, out.started(process))
                elif word == "failed":
                    raise AnymaskError(f"A process of --jobs cannot begin: {what}")
                elif word == "result":
                    out.finished(process, what[0])
                    send(process, out.give(process))
                    yield what
                elif word == "ended":
                    left_out = out.ended(process, what)
                    if left_out is not None:
                        yield left_out
                    if out.waits and out.idle:
                        process = next(iter(out.idle))
                        send(process, out.give(process))
                    elif out.waits:
                        hire()
        finally:
            for process in out.workers:
                process.end()
            for process in out.workers:
                process.wait()


def shared_threads(count: int) -> dict[str, str]:
    """Return the variables that give each of several processes its share of the cores.

    A number of threads that the user has set is shared out too.
    """
    cores = cores_here()
    with suppress(ValueError):
        cores = min(cores, int(os.environ.get("OMP_NUM_THREADS", cores)))
    return dict.fromkeys(_THREADS, str(max(1, cores // count)))


def cores_here() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Process:
    """A process with its pipes; what it says is put into a queue."""

    def __init__(
        self, events: queue.SimpleQueue[tuple[_Process, str, Any]], environment: dict[str, str]
    ) -> None:
        self._popen = subprocess.Popen(
            [sys.executable, "-c", _CODE.format(path=sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,  # so that Ctrl-C does not reach it while it starts
        )
        threading.Thread(target=self._listen, args=(events,), daemon=True).start()

    def send(self, what: Any) -> None:
        """Send something; if the process is dead, its end is told anyway."""
        assert self._popen.stdin is not None
        with suppress(OSError):
            pickle.dump(what, self._popen.stdin)
            self._popen.stdin.flush()

    def end(self) -> None:
        """Have the process end; it removes what it was writing."""
        self._popen.terminate()

    def wait(self) -> None:
        """Wait until it has ended, but not long."""
        try:
            self._popen.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        assert self._popen.stdin is not None
        with suppress(OSError):
            self._popen.stdin.close()

    def _listen(self, events: queue.SimpleQueue[tuple[_Process, str, Any]]) -> None:
        assert self._popen.stdout is not None
        with suppress(Exception), self._popen.stdout as answers:
            while True:
                events.put((self, *pickle.load(answers)))
        events.put((self, "ended", _how_it_ended(self._popen.wait())))


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
