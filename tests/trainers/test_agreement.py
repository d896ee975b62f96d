"""On a cluster all processes take the decisions of rank 0 about a run folder, whatever they see."""

import json

import pytest

from rise_bench.errors import ConfigError
from rise_bench.trainers.runs.agreement import decided_by_rank_0, wait_until_all_see
from rise_bench.trainers.runs.run_folder import RunFolder
from rise_bench.trainers.settings.config import TrainConfig
from rise_bench.trainers.settings.recipe_loader import dump_config

from ..support.commands import run_processes

#: A process whose view of the run folder lags behind if it is not rank 0: it sees no model and no checkpoint.
TWO_PROCESSES = """
import json, os, sys
from pathlib import Path
from rise_bench.errors import ConfigError
from rise_bench.trainers.phases.phase import run_phase, start_of
from rise_bench.trainers.runs import agreement
from rise_bench.trainers.runs.run_folder import RunFolder
from rise_bench.trainers.settings.recipe_loader import load_config

recipe, folder = Path(sys.argv[1]), Path(sys.argv[2])
rank, config = int(os.environ["RANK"]), load_config(str(recipe))
run = RunFolder.of(config)
if rank:
    RunFolder.final_dir = lambda self, phase: folder / "unseen"
    RunFolder.last_checkpoint = lambda self, phase: None
said = {"value": agreement.decided_by_rank_0(lambda: f"rank {rank}", use_cpu=True)}

def refuse():
    raise ConfigError(f"rank {rank} refuses")

for name, decide in {
    "error": lambda: agreement.decided_by_rank_0(refuse, use_cpu=True),
    "unseen": lambda: agreement.wait_until_all_see(folder / f"of-rank-{rank}", patience_s=0.2),
    "finished": lambda: run_phase(config, run, "sft", "no-model", None),
    "start": lambda: start_of(config, run, "grpo"),
}.items():
    try:
        said[name] = str(decide())
    except ConfigError as error:
        said[name] = str(error)
(folder / f"said-{rank}.json").write_text(json.dumps(said))
"""


def test_two_processes_agree_though_one_sees_nothing(smoke, tmp_path):
    config = smoke("rise_r1", f"data.cots={tmp_path}")
    finished = RunFolder.of(config).final_dir("sft")
    finished.mkdir(parents=True)
    (tmp_path / "of-rank-0").mkdir()
    (tmp_path / "recipe.yaml").write_text(dump_config(config))
    (tmp_path / "two.py").write_text(TWO_PROCESSES)
    run_processes(tmp_path / "two.py", tmp_path / "recipe.yaml", tmp_path)
    first, second = (json.loads((tmp_path / f"said-{rank}.json").read_text()) for rank in (0, 1))
    assert first["value"] == second["value"] == "rank 0"
    assert first["error"] == second["error"] == "rank 0 refuses"
    assert first["finished"] == second["finished"] == str(finished)
    assert first["start"] == second["start"] == str(finished)
    for said, rank in ((first, 0), (second, 1)):
        assert f"of-rank-{rank}, which rank 1 cannot see. Put run.output_dir on a disk" in said["unseen"]


def test_a_single_process_decides_for_itself_and_waits_for_nothing(tmp_path):
    assert decided_by_rank_0(lambda: 7, use_cpu=True) == 7
    wait_until_all_see(tmp_path / "nothing", patience_s=0.0)
    run = RunFolder(tmp_path / "file")
    run.path.touch()
    with pytest.raises(ConfigError, match="is a file"):
        decided_by_rank_0(lambda: run.refuse_other_config(TrainConfig()), use_cpu=True)
