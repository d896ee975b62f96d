"""Runs a module that ends when the program that started it ends, even by `kill -9`.

    python -m rise_bench.processes.tethered lmms_eval --tasks rise_moods

The starter keeps a pipe to standard input open. When it is gone the pipe ends, and so does this process with
all that it started: otherwise a job left behind would write into the folder of its own successor.
"""

import os
import runpy
import signal
import sys
import threading


def _end_with_starter() -> None:
    while os.read(0, 4096):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=_end_with_starter, daemon=True).start()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
