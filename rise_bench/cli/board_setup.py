"""`rise-bench leaderboard init` and `hide`: the settings of a board, and tests that only it can score."""

from pathlib import Path
from typing import Annotated

import typer

from rise_bench.cli.bars import drawing_bar
from rise_bench.cli.board_options import DataOption
from rise_bench.cli.leaderboard import board_app


@board_app.command()
def init(
    results: Annotated[Path, typer.Argument(help="New results folder.")],
    data: DataOption = None,
    revision: Annotated[
        list[str] | None,
        typer.Option(
            help="BENCHMARK=ORG/NAME@COMMIT of the dataset on the Hub, or BENCHMARK=COMMIT if it is in the "
            "repository of the catalogue. Repeatable."
        ),
    ] = None,
    published: Annotated[
        list[Path] | None,
        typer.Option(help="Public dataset of a --data whose test annotations are hidden. Repeatable."),
    ] = None,
    title: Annotated[str, typer.Option(help="Heading of the site.")] = "RISE-Bench",
) -> None:
    """Write board.json, which pins the dataset of each benchmark by content and commit."""
    from rise_bench.data.dataset import open_dataset
    from rise_bench.errors import ConfigError
    from rise_bench.hub.find import find_benchmark
    from rise_bench.leaderboards.verification import gold_board as boards

    if (results / boards.BOARD_NAME).exists():
        raise ConfigError(f"{results / boards.BOARD_NAME} exists already; edit it, or choose another folder")
    if not data:
        raise ConfigError("a board needs a benchmark; give at least one dataset folder with --data")
    revisions = {name: commit for name, _, commit in (pair.partition("=") for pair in revision or ())}
    if not all(revisions.values()):
        raise ConfigError(f"--revision {' '.join(revision or ())}: give BENCHMARK=ORG/NAME@COMMIT")
    datasets = [find_benchmark(name, images=False) for name in data]
    pins = boards.pins_of(datasets, revisions, map(open_dataset, published or ()))
    boards.write_settings(results, boards.BoardSettings(schema_version=1, title=title, benchmarks=pins))
    for name, pin in pins.items():
        if pin.revision:
            typer.echo(f"{name}: {pin.dataset} at {pin.revision}", err=True)
    typer.echo(str(results / boards.BOARD_NAME))


@board_app.command()
def hide(
    dataset: Annotated[
        str,
        typer.Argument(
            help="A drawn benchmark, or the folder of a dataset whose test annotations nobody has."
        ),
    ],
    private: Annotated[Path, typer.Option(help="Folder for the dataset with the annotations; keep it.")],
    public: Annotated[Path, typer.Option(help="Folder for the dataset without them; publish it.")],
    train: Annotated[int | None, typer.Option(min=1, help="Training rows of a drawn benchmark.")] = None,
    test: Annotated[int | None, typer.Option(min=1, help="Test rows of a drawn benchmark.")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the training pictures of a drawn benchmark, by default 0.")
    ] = None,
) -> None:
    """Make a test whose annotations only the board has: a private dataset and the public one of it.

    The test pictures of a drawn benchmark come from a secret seed. Test rows are shuffled and get numbers as
    ids; in the public dataset their annotations are placeholders.
    """
    from typing import cast, get_args

    from rise_bench.builders import synthetic
    from rise_bench.data.dataset import open_dataset
    from rise_bench.data.hidden_test import new_secret, plan_of, split_truth
    from rise_bench.data.writer import write_dataset
    from rise_bench.errors import ConfigError
    from rise_bench.synthetic.rows import DrawnBenchmark

    secret = new_secret()
    if dataset in get_args(DrawnBenchmark):
        drawn, seed = cast(DrawnBenchmark, dataset), seed or 0
        with drawing_bar() as drawing:
            plan = synthetic.plan(
                drawn, train=train, test=test, seed=seed, test_seed=secret, progress=drawing
            )
    elif (train, test, seed) != (None, None, None):
        raise ConfigError("--train, --test and --seed are of drawn benchmarks; leave them out with a folder")
    else:
        given = open_dataset(dataset)
        if given.manifest.is_withheld or given.manifest.is_private:
            raise ConfigError(f"{dataset} was made by this command already; give the dataset that it is of")
        plan, seed = plan_of(given), given.manifest.seed
    for rows, folder in zip(split_truth(plan, secret), (private, public), strict=True):
        write_dataset(rows, folder, seed=seed, allow_partial=True)
    typer.echo(f"private: {private}\npublic:  {public}")
