"""Runs a command that ends when the program that started it ends, even by `kill -9`.

    python -m rise_bench.cli.tethered train sft --recipe world/sft    # a command of rise-bench
    python -m rise_bench.cli.tethered -m lmms_eval --tasks rise_moods # any Python module

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
    if sys.argv[1:2] == ["-m"]:
        sys.argv = sys.argv[2:]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        from rise_bench.cli import main

        sys.argv[0] = "rise-bench"
        main()
