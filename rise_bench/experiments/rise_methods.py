"""Training jobs of RISE and its variants: RISE-CoT, collecting, RISE-R1."""

from pathlib import Path

from rise_bench.cot.dataset import TAU
from rise_bench.experiments.cell import Cell, Method, Section
from rise_bench.experiments.commands import collect, train
from rise_bench.experiments.job_folder import Job
from rise_bench.scoring.rewards import RewardView

#: Thresholds of groundedness by benchmark, in nats: each refuses one in twenty true texts, of RISE-CoT
#: (moods) or the base model (docs/groundedness.md). Others have that of moods, not measured for them.
_MIN_GROUNDEDNESS = {"moods": 0.7, "kinds": 1.18, "scenes": -5.3}


def min_groundedness(cell: Cell) -> float:
    """Return the threshold of groundedness of a benchmark, in nats."""
    return _MIN_GROUNDEDNESS.get(cell.benchmark, _MIN_GROUNDEDNESS["moods"])


#: New reconstructions from each chain of thought that is verified in another view.
RECONSTRUCTIONS = 4


#: Phase of RISE-CoT.
RISE_COT: tuple[str, Section] = ("rise_cot", "grpo")


def rise_cot(
    cell: Cell, name: str = "", *settings: str, select: bool = False, options: tuple[str, ...] = ()
) -> list[Job]:
    """Return the jobs that make the chains of thought.

    Args:
        cell: Cell of the jobs.
        name: Suffix of the names of jobs with `settings`.
        settings: Settings after the recipe's.
        select: Keep only grounded chains of thought, in the folder `selected` of the run.
        options: Options of collecting.
    """
    run = f"rise_cot{name}"
    training = train(cell, "rise_cot", settings=settings, run=run)
    if not select:
        return [training, collect(cell, training, run, options=options)]
    options = (*options, "--select", "reward_and_groundedness")
    options = (*options, "--min-groundedness", str(min_groundedness(cell)))
    return [training, collect(cell, training, run, folder="selected", options=options)]


def rise_r1(cell: Cell) -> list[Job]:
    """Return all jobs of RISE."""
    return then_r1(cell, rise_cot(cell), cell.cots)


def rise_sft(cell: Cell) -> list[Job]:
    """Return the jobs of RISE without its last phase; the SFT phase gets its steps."""
    return then_r1(cell, rise_cot(cell), cell.cots, "phases=sft", run="rise_sft")


def grounded(title: str, run: str, *settings: str, reward: str = "none", select: bool) -> Method:
    """Return RISE with groundedness in the reward of RISE-CoT, in the choice of chains of thought, or both.

    Args:
        title: Name in tables.
        run: Name of its RISE-R1.
        settings: Settings of RISE-R1 after the recipe's.
        reward: Effect on the reward of RISE-CoT, see `RewardRule.grounded`.
        select: Train only on chains of thought above the threshold.
    """
    name = {"none": "", "gate": "_grounded", "multiply": "_multiplied"}[reward]

    def own(cell: Cell) -> tuple[str, ...]:
        """The settings, and at the paper's scale ZeRO-2: ZeRO-3 would shard the frozen judge."""
        if not name:
            return ()
        paid = (f"reward.grounded={reward}", f"reward.grounded_threshold={min_groundedness(cell)}")
        named = any(text.startswith("compute.accelerate=") for text in cell.setup.settings)
        sharded = cell.setup.scale == "paper" and not named
        return (*paid, "compute.accelerate=zero2") if sharded else paid

    def asked(cell: Cell) -> tuple[str, ...]:
        """The settings, and the threshold of the chains of thought to train on."""
        return (*settings, *([f"data.min_groundedness={min_groundedness(cell)}"] if select else []))

    def cots(cell: Cell) -> Path:
        return cell.run(f"rise_cot{name}") / ("selected" if select else "cots")

    return Method(
        title,
        lambda cell: then_r1(
            cell, rise_cot(cell, name, *own(cell), select=select), cots(cell), *asked(cell), run=run
        ),
        phases=((f"rise_cot{name}", "grpo"), (run, "sft"), (run, "grpo")),
        cots=cots,
        tau=TAU,
        min_groundedness=min_groundedness if select else None,
    )


def viewed(title: str, run: str, view: RewardView) -> Method:
    """Return RISE whose chains of thought are verified in another view.

    RISE-CoT is paid in the view, and its rollouts are selected by it. The selected chains of thought are
    scored by new reconstructions with and without the picture; both rewards of those to train on are at
    least tau.

    Args:
        title: Name in tables.
        run: Name of its RISE-R1.
        view: View of the reconstructions, see `RewardRule.view`.
    """
    name, options = f"_{view}", ("--reconstructions", str(RECONSTRUCTIONS))

    def cots(cell: Cell) -> Path:
        return cell.run(f"rise_cot{name}") / "cots"

    def trainings(cell: Cell) -> list[Job]:
        before = rise_cot(cell, name, f"reward.view={view}", options=options)
        return then_r1(cell, before, cots(cell), f"data.min_reward_blind={TAU}", run=run)

    return Method(
        title,
        trainings,
        phases=((f"rise_cot{name}", "grpo"), (run, "sft"), (run, "grpo")),
        cots=cots,
        tau=TAU,
        min_reward_blind=TAU,
    )


def then_r1(cell: Cell, before: list[Job], cots: Path, *settings: str, run: str = "rise_r1") -> list[Job]:
    """Return jobs and RISE-R1 on their chains of thought."""
    given = (f"data.cots={cots}", *settings)
    return [*before, train(cell, "rise_r1", before[-1], settings=given, run=run)]
