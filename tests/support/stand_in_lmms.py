"""A program in the place of lmms-eval: a light script that says, leaves and does what a test wants.

The real one takes half a minute to start; what it does itself is tried in tests/e2e.
"""

import json
from pathlib import Path

_PROGRAM = """
import json, os, pathlib, shutil, sys, time
folder = pathlib.Path(__file__).parent.parent
plan = json.loads((folder / "plan.json").read_text())
flags = dict(zip(sys.argv[1:], sys.argv[2:]))
wanted = ["RISE_BENCH_" + name for name in ("BOX_UNIT", "STYLE", "MAX_PIXELS")]
wanted += ["HF_HUB_OFFLINE", "OPENAI_API_KEY"]
environment = {name: os.environ.get(name) for name in wanted}
seen = {"argv": sys.argv[1:], "environment": environment, "pid": os.getpid()}
(folder / "seen.tmp").write_text(json.dumps(seen))
(folder / "seen.tmp").rename(folder / "seen.json")
sys.stderr.write("Model Responding:  50%|     |\\\\rModel Responding: 100%|=====|\\\\n")
print(plan["says"], flush=True)
if plan["leaves"]:
    shutil.copytree(plan["leaves"], os.path.join(flags["--output_path"], "model"))
    (folder / "left").touch()
time.sleep(plan["sleeps"])
sys.exit(plan["code"])
""".replace("\\\\", "\\")

#: The other modules, such as the list of models, are those of the real package.
_PACKAGE = """
import importlib.machinery, pathlib, sys
elsewhere = [path for path in sys.path if pathlib.Path(path) != pathlib.Path(__file__).parent.parent]
real = importlib.machinery.PathFinder.find_spec("lmms_eval", elsewhere)
__path__ += real.submodule_search_locations
"""


class StandIn:
    """The program, once it is in the place of lmms-eval."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        package = folder / "lmms_eval"
        package.mkdir()
        (package / "__init__.py").write_text(_PACKAGE)
        (package / "__main__.py").write_text(_PROGRAM)
        self.plan()

    def plan(self, says: str = "", leaves: Path | None = None, code: int = 0, sleeps: float = 0) -> None:
        """Say what the next run prints, which folder it leaves as its results, how long it then takes."""
        plan = {"says": says, "leaves": str(leaves or ""), "code": code, "sleeps": sleeps}
        (self._folder / "plan.json").write_text(json.dumps(plan))

    @property
    def started(self) -> bool:
        """Whether it has run."""
        return (self._folder / "seen.json").exists()

    @property
    def has_left(self) -> bool:
        """Whether a run has left its results, and only waits."""
        return (self._folder / "left").exists()

    @property
    def seen(self) -> dict:
        """Arguments, environment and process id of the last run."""
        return json.loads((self._folder / "seen.json").read_text())

    def flag(self, name: str) -> str:
        """Value that the last run takes for a flag: the last one."""
        argv = self.seen["argv"]
        return argv[len(argv) - argv[::-1].index(name)]
