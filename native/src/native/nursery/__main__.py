"""`python -m native.nursery MODULE...`: has the services loaded, forks each replica from itself.

Orders come in as lines of JSON. What became of one goes out as such: its `pid` once it is a
process as one started plainly would be, its `code` when it ended, `refused` when it can't be had.
It ends when nobody gives orders any more and all that it forked have ended.
"""

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

_LARGEST_READ: Final = 65536


class _Nursery:
    def __init__(self) -> None:
        self._orders, self._answers = os.dup(0), os.dup(1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)  # what a module says while it is loaded is no answer of ours
        # Each end of a replica rings here, so that one wait hears of orders and of ends.
        self._bell, self._ringer = os.pipe()
        os.set_blocking(self._ringer, False)
        signal.set_wakeup_fd(self._ringer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._forked: dict[int, int] = {}

    def serve(self) -> Callable[[], None] | None:
        """Fork what is ordered; give, in the replica alone, what it has to do."""
        waiting, heard, open_ = b"", [self._orders, self._bell], True
        while open_ or self._forked:
            ready, _, _ = select.select(heard if open_ else heard[1:], [], [])
            if self._bell in ready:
                os.read(self._bell, _LARGEST_READ)
                self._tell_ends()
            if self._orders not in ready:
                continue
            received = os.read(self._orders, _LARGEST_READ)
            open_ = bool(received)
            *lines, waiting = (waiting + received).split(b"\n")
            for line in lines:
                work = self._follow(json.loads(line))
                if work is not None:
                    return work
        return None

    def _follow(self, order: dict[str, Any]) -> Callable[[], None] | None:
        try:
            work = load(order["module"])
            if threading.active_count() > 1:
                raise RuntimeError("a thread runs")  # noqa: TRY301  # caught as all else is
            gc.freeze()  # what is shared stays so: no collection in a replica touches it
            pid = os.fork()
        except Exception as error:  # noqa: BLE001  # whatever it was, it is started plainly then
            self._tell(order, refused=f"{type(error).__name__}: {error}"[:500])
            return None
        if pid:
            self._forked[pid] = order["order"]
            return None
        self._become(order)
        return work

    def _become(self, order: dict[str, Any]) -> None:
        """Be as a process that was started for this alone."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        for stream in (1, 2):
            os.dup2(log, stream)
        os.chdir(order["folder"])
        os.environ.clear()
        os.environ.update(order["environment"])
        sys.argv = [order["module"]]
        with contextlib.suppress(OSError):
            Path("/proc/self/comm").write_text(order["module"])  # what top shows, on Linux
        gc.enable()
        self._tell(order, pid=os.getpid())
        for number in (log, self._orders, self._answers, self._bell, self._ringer):
            os.close(number)

    def _tell_ends(self) -> None:
        while self._forked:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            number = self._forked.pop(pid, None)
            if number is not None:
                self._tell({"order": number}, code=os.waitstatus_to_exitcode(status))

    def _tell(self, order: dict[str, Any], **what: str | int) -> None:
        line = json.dumps({"order": order["order"], **what})
        try:
            os.write(self._answers, line.encode() + b"\n")
        except BrokenPipeError:
            return  # the supervisor was killed; the replicas go on without it


def load(name: str) -> Callable[[], None]:
    """Give what `python -m NAME` would run."""
    module = importlib.import_module(name)
    if hasattr(module, "__path__"):
        module = importlib.import_module(f"{name}.__main__")
    main: Callable[[], None] = module.main
    return main


def main() -> None:
    gc.disable()  # nothing that is loaded goes away again
    nursery = _Nursery()
    for name in sys.argv[1:]:
        try:
            load(name)
        except Exception as error:  # noqa: BLE001  # told when it is ordered
            sys.stderr.write(f"{name} was not loaded: {type(error).__name__}: {error}\n")
    work = nursery.serve()
    if work is not None:
        work()


if __name__ == "__main__":
    main()
