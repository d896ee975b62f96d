"""The Slurm that other tests submit to: jobs run on both nodes, and a node that dies takes its job along."""

import time

from ..support.slurm import NODES, Slurm


def test_jobs_run_on_both_nodes(slurm: Slurm, tmp_path) -> None:
    script = 'sleep 10; srun -n 1 sh -c "echo $SLURMD_NODENAME $SLURM_ARRAY_TASK_ID"'
    printed = slurm.run(
        "sbatch",
        "--parsable",
        "--array=0-1",
        "--exclusive",
        "--output",
        tmp_path / "%a.out",
        "--wrap",
        script,
    )
    job = printed.strip()
    slurm.wait()
    assert {slurm.states()[f"{job}_{task}"] for task in range(2)} == {"COMPLETED"}
    texts = [(tmp_path / f"{task}.out").read_text().split() for task in range(2)]
    assert {node for node, _ in texts} == set(NODES) and [task for _, task in texts] == ["0", "1"]


def test_the_job_of_a_killed_node_is_run_again(slurm: Slurm, tmp_path) -> None:
    starts = tmp_path / "starts"
    script = f'echo start >> {starts}; [ "$(wc -l < {starts})" = 2 ] || while :; do sleep 60; done'
    job = slurm.run(
        "sbatch", "--parsable", "--requeue", "--nodelist=n2", "--output=/dev/null", "--wrap", script
    ).strip()
    while not starts.exists():
        time.sleep(0.05)
    slurm.kill("n2")
    slurm.bring_back("n2")
    slurm.wait()
    assert slurm.states()[job] == "COMPLETED" and starts.read_text() == "start\n" * 2
