"""Another process that looks at networks while training goes on.

A process, not a thread: compiled searches hold Python's global lock, and would stop the training for as long as they
run. It is started like a command, so that the user's script needs no guard and nothing of it runs twice.
"""

import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, BinaryIO

from dynaghost.errors import DynaghostError
from dynaghost.monitor.watch import Failure, Observation, Task, Watch

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


class Background:
    """A queue of looks, done one after the other elsewhere.

    Parameters
    ----------
    options : dict
        Arguments of `load_run`.
    pending : int
        Most looks that wait.
    niceness : int
        How far the other process gives way: 0 to 19, where a busy machine leaves it a hundredth of a processor.

    Attributes
    ----------
    dropped : int
        Looks that found the queue full, or the process gone.
    """

    def __init__(self, options: dict[str, Any], pending: int, niceness: int = 10) -> None:
        self.dropped = 0
        self._tasks: queue.Queue[Task | None] = queue.Queue(maxsize=pending)
        self._results: deque[Observation | Failure] = deque()
        self._process: subprocess.Popen[bytes] | None = None
        self._gone = False
        self._thread = threading.Thread(
            target=self._serve, args=(options, niceness), name="dynaghost monitor", daemon=True
        )
        self._thread.start()

    def submit(self, task: Task) -> bool:
        """Whether the look is taken; never waits."""
        if not self._gone:
            try:
                self._tasks.put_nowait(task)
                return True
            except queue.Full:
                pass
        self.dropped += 1
        return False

    def results(self) -> list[Observation | Failure]:
        """Those that came since the last call, in order."""
        return [self._results.popleft() for _ in range(len(self._results))]

    def close(self, timeout: float | None = None) -> None:
        """Wait for what was taken, or for so many seconds; what is not done then is dropped."""
        if self._thread.is_alive():
            threading.Thread(target=self._tasks.put, args=(None,), daemon=True).start()
            self._thread.join(timeout)
        if self._thread.is_alive():
            self._gone = True
            if self._process is not None:
                self._process.kill()
            self._thread.join()

    def _serve(self, options: dict[str, Any], niceness: int) -> None:
        """Of the thread that feeds the process."""
        try:
            with _started(niceness) as process:
                self._process = process
                assert process.stdin is not None
                _send(process.stdin, options)
                while not self._gone and (task := self._tasks.get()) is not None:
                    self._ask(process, task)
                process.stdin.close()
                if self._gone:
                    process.kill()
        except (OSError, EOFError, pickle.PickleError) as error:
            if not self._gone:
                self._results.append(Failure(-1, f"the process that analyzes has ended ({error})"))
        finally:
            self._gone = True
            self._drop_the_rest()

    def _ask(self, process: Any, task: Task) -> None:
        try:
            _send(process.stdin, task)
            self._results.append(pickle.load(process.stdout))
        except (OSError, EOFError, pickle.PickleError):
            self.dropped += 1
            raise

    def _drop_the_rest(self) -> None:
        while True:
            try:
                self.dropped += self._tasks.get_nowait() is not None
            except queue.Empty:
                return


def _started(niceness: int) -> subprocess.Popen[bytes]:
    code = f"import sys; sys.path[:] = {sys.path!r}; from dynaghost.monitor.background import serve; serve({niceness})"
    environment = {**os.environ, **dict.fromkeys(_ONE_THREAD, "1")}
    return subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )


def serve(niceness: int) -> None:
    """The other process: options, then tasks, from its standard input; results to its standard output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interruption is the training's; the input's end ends this
    if hasattr(os, "nice"):
        os.nice(niceness)
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # what others print must not come between results
    try:
        watch = Watch(pickle.load(source))
        while True:
            _send(sink, answer(watch.look, pickle.load(source)))
    except (EOFError, BrokenPipeError):
        return


def answer(look: Callable[[Task], Observation], task: Task) -> Observation | Failure:
    """What a look finds, or why it could not be done; no error ends the process."""
    try:
        return look(task)
    except DynaghostError as error:
        return Failure(task.step, str(error))
    except Exception as error:
        return Failure(task.step, f"{type(error).__name__}: {error}")


def _send(stream: BinaryIO | Any, what: Any) -> None:
    pickle.dump(what, stream, protocol=pickle.HIGHEST_PROTOCOL)
    stream.flush()
