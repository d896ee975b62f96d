"""`rise-bench build SOURCE`: a benchmark from raw files, or drawn by the project itself."""

import ast
import importlib.util
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from rise_bench.cli import Commands, app
from rise_bench.cli.bars import drawing_bar, progress_bar

if TYPE_CHECKING:
    from rise_bench.data.build_plan import SourcePlan

build_app = typer.Typer(cls=Commands, no_args_is_help=True)
app.add_typer(build_app, name="build", help="Build a benchmark from its raw files, or draw one.")

Source = Annotated[Path, typer.Option(help="Folder of the raw files.", exists=True, file_okay=False)]
Out = Annotated[
    Path | None, typer.Option(help="Folder to write; the cache folder that tasks look in by default.")
]
Seed = Annotated[int, typer.Option(help="Seed of the splits and the few-shot ranks.")]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Threads that read and decode; one per CPU by default.")
]
AllowPartial = Annotated[bool, typer.Option("--allow-partial", help="Build from an incomplete source.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the content of the folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]


@build_app.command("lisa")
def lisa(
    source: Source,
    out: Out = None,
    targets: Annotated[
        Literal["union", "largest", "first", "split"],
        typer.Option(help="Box of an image with several target polygons; split makes a row of each."),
    ] = "union",
    kind: Annotated[
        str, typer.Option(help="Kind of annotation: boxes, or polygons for the outlines of the masks.")
    ] = "boxes",
    tolerance_px: Annotated[
        float, typer.Option(min=0, help="Largest distance of the masks' borders from the outlines.")
    ] = 1.0,
    seed: Seed = 0,
    workers: Workers = None,
    allow_partial: AllowPartial = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """LISA: the object that a question is about, from ReasonSeg (`train/`, `val/`), as box or outline."""
    options = {"targets": targets, "kind": kind, "tolerance_px": tolerance_px}
    plan = _plan("lisa", source=source, seed=seed, **options)
    _build(plan, seed, out, workers, allow_partial, overwrite, as_json)


@build_app.command("coco_sub")
def coco_sub(
    source: Source,
    out: Out = None,
    pool: Annotated[
        Literal["train", "train+val"], typer.Option(help="Images to choose from: train2017, or both pooled.")
    ] = "train",
    seed: Seed = 0,
    workers: Workers = None,
    allow_partial: AllowPartial = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """COCO-Sub: 80 classes, 25 + 10 images each (`annotations/`, `train2017/`)."""
    plan = _plan("coco_sub", source=source, seed=seed, pool=pool)
    _build(plan, seed, out, workers, allow_partial, overwrite, as_json)


@build_app.command("custom")
def custom(
    source: Source,
    name: Annotated[str, typer.Option(help="Short name of the new benchmark: a-z, 0-9 and _.")],
    annotations: Annotated[
        Path | None,
        typer.Option(
            help="File or folder of the annotations, in --source or a path; by default looked for there."
        ),
    ] = None,
    format_name: Annotated[
        str, typer.Option("--format", help="Format of the annotations; detected by default.")
    ] = "",
    keep_empty: Annotated[
        bool,
        typer.Option(
            "--keep-empty",
            help="Pictures without any box become rows without an object, one for each class; otherwise they "
            "are left out.",
        ),
    ] = False,
    out: Out = None,
    question: Annotated[
        str,
        typer.Option(help="Task sentence of the prompts, for rows without their own; may hold {category}."),
    ] = "",
    classes: Annotated[str, typer.Option(help="Class names in order, with commas between them.")] = "",
    metric: Annotated[
        str | None, typer.Option(help="Metric that ranks models on labels from a CSV: jsd or accuracy.")
    ] = None,
    test_fraction: Annotated[
        float, typer.Option(help="Share of test images, where the source has no splits.")
    ] = 0.3,
    images: Annotated[
        Literal["embed", "reference"], typer.Option(help="Whether the images may be republished.")
    ] = "reference",
    license_id: Annotated[
        str, typer.Option("--licence", "--license", help="Licence identifier for the card, e.g. cc-by-4.0.")
    ] = "other",
    title: Annotated[str, typer.Option(help="Title of the card.")] = "",
    citation: Annotated[str, typer.Option(help="How to cite the source, in a line.")] = "",
    source_url: Annotated[str, typer.Option(help="Web address of the source.")] = "",
    seed: Seed = 0,
    workers: Workers = None,
    allow_partial: AllowPartial = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Your own: images with a CSV, folders as classes, COCO, YOLO, Pascal VOC, Label Studio or CVAT."""
    plan = _plan(
        "custom",
        source=source,
        name=name,
        annotations=annotations,
        format_name=format_name,
        keep_empty=keep_empty,
        seed=seed,
        question=question,
        classes=tuple(part.strip() for part in classes.split(",") if part.strip()),
        metric=metric,
        test_fraction=test_fraction,
        images=images,
        license_id=license_id,
        title=title,
        citation=citation,
        source_url=source_url,
    )
    _build(plan, seed, out, workers, allow_partial, overwrite, as_json)


@build_app.command("reason_rft")
def reason_rft(
    source: Source,
    task: Annotated[
        Literal["counting", "structure", "transformation"],
        typer.Option(help="Task to build: its training rows, its test, and its out-of-domain tests."),
    ],
    out: Out = None,
    also: Annotated[
        str, typer.Option(help="Further training files, by name or its beginning, with commas between them.")
    ] = "",
    cots: Annotated[
        bool,
        typer.Option(help="Write the unverified chains of thought beside it too, as OUT-cot."),
    ] = True,
    seed: Seed = 0,
    workers: Workers = None,
    allow_partial: AllowPartial = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Reason-RFT: counting, structure or transformation (`train_jsons/`, `test_jsons/`, `images/`)."""
    from rise_bench.builders import reason_rft as builder
    from rise_bench.cot.unverified import write_unverified
    from rise_bench.data.dataset import open_dataset

    files = tuple(filter(None, (name.strip() for name in also.split(","))))
    official = builder.read(source, task=task, seed=seed, also=files)
    folder = _folder(official.plan, out)
    target = folder.with_name(f"{folder.name}-cot")
    if cots and official.cots:
        _refuse_others(target)
    _build(official.plan, seed, out, workers, allow_partial, overwrite, as_json)
    if cots and official.cots:
        manifest = write_unverified(
            open_dataset(folder), official.cots, builder.PROVENANCE, target, overwrite=True
        )
        typer.echo(f"{target}: {manifest.counts['train']} unverified chains of thought", err=True)


def _refuse_others(target: Path) -> None:
    """Refuse to replace chains of thought that something else than this command wrote."""
    from rise_bench.data.manifest import MANIFEST_NAME, read_manifest
    from rise_bench.data.replacing import refuse_decided
    from rise_bench.errors import ConfigError

    refuse_decided(target)
    if not target.is_dir() or not any(target.iterdir()):
        return
    if not (target / MANIFEST_NAME).is_file() or not read_manifest(target).unverified:
        raise ConfigError(
            f"{target} is where the unverified chains of thought go, and holds something else. Move it, "
            "choose another --out, or pass --no-cots"
        )


def _from_source(benchmark: str, about: str) -> None:
    """Add the command of a benchmark whose builder takes only its source and a seed."""

    def build(
        source: Source,
        out: Out = None,
        seed: Seed = 0,
        workers: Workers = None,
        allow_partial: AllowPartial = False,
        overwrite: Overwrite = False,
        as_json: AsJson = False,
    ) -> None:
        plan = _plan(benchmark, source=source, seed=seed)
        _build(plan, seed, out, workers, allow_partial, overwrite, as_json)

    build_app.command(benchmark, help=about)(build)


def _add_builders() -> None:
    """Add a command for each builder that has none above; the first line of its docstring is the help."""
    spec = importlib.util.find_spec("rise_bench.builders")
    named = {command.name for command in build_app.registered_commands} | {"__init__", "synthetic"}
    for folder in (spec and spec.submodule_search_locations) or ():
        for path in sorted(Path(folder).glob("*.py")):
            if path.stem not in named:
                text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
                _from_source(path.stem, text.partition("\n")[0])


_add_builders()


def _drawn(benchmark: str, about: str) -> None:
    """Add the command of a drawn benchmark."""

    def draw(
        out: Out = None,
        train: Annotated[int | None, typer.Option(min=1, help="Training rows.")] = None,
        test: Annotated[int | None, typer.Option(min=1, help="Test rows.")] = None,
        seed: Seed = 0,
        workers: Workers = None,
        overwrite: Overwrite = False,
        as_json: AsJson = False,
    ) -> None:
        options = {"benchmark": benchmark, "train": train, "test": test, "seed": seed}
        with drawing_bar() as drawing:
            plan = _plan("synthetic", **options, progress=drawing)
        _build(plan, seed, out, workers, False, overwrite, as_json)

    build_app.command(benchmark, help=about)(draw)


_drawn("moods", "Drawn here: the mood of a picture, a distribution over seven emotions.")
_drawn("scenes", "Drawn here: the objects that a question is about, as boxes.")
_drawn("kinds", "Drawn here: the kind of object in a picture, one of 20 classes.")
_drawn("drawn_counting", "Drawn here: how many objects fit a description, from 0 to 6.")
_drawn("drawn_changes", "Drawn here: what changed from one picture to another, one to four calls.")


def _plan(builder: str, **options: Any) -> "SourcePlan":
    plan: SourcePlan = import_module(f"rise_bench.builders.{builder}").plan(**options)
    return plan


def _build(
    plan: "SourcePlan",
    seed: int,
    out: Path | None,
    workers: int | None,
    allow_partial: bool,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Write with a progress bar on stderr, and print a summary on stdout."""
    from rise_bench.cli.build_summary import print_summary
    from rise_bench.data.writer import write_dataset

    name, folder = plan.spec.name, _folder(plan, out)
    with progress_bar(f"building {name}", transient=False) as progress:
        write_dataset(
            plan,
            folder,
            seed=seed,
            workers=workers,
            allow_partial=allow_partial,
            overwrite=overwrite,
            progress=progress,
        )
    print_summary(folder, as_json)


def _folder(plan: "SourcePlan", out: Path | None) -> Path:
    """Return the folder that a build writes."""
    from rise_bench.files.paths import cache_folder

    return (out or cache_folder(plan.spec.name)).expanduser()
