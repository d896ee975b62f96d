"""`rise-bench init`: own pictures to a dataset and one recipe."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rise_bench.cli import app
from rise_bench.cli.bars import progress_bar
from rise_bench.errors import ConfigError, DataError

if TYPE_CHECKING:
    from rise_bench.builders.formats.detect import Detected
    from rise_bench.curation.own.setup import Made, Wanted

_SHOWN_PROBLEMS, _SHOWN_CLASSES = 20, 30


@app.command()
def init(
    pictures: Annotated[Path, typer.Argument(help="Folder of the pictures.", exists=True, file_okay=False)],
    labels: Annotated[
        Path | None,
        typer.Option(help="Annotations, in any format of `build custom`; searched for among the pictures."),
    ] = None,
    coco: Annotated[Path | None, typer.Option(help="The same, a COCO json.")] = None,
    format_name: Annotated[
        str, typer.Option("--format", help="Their format, as of `build custom`; detected by default.")
    ] = "",
    name: Annotated[
        str, typer.Option(help="Name of the dataset: a-z, 0-9, _; of the folder by default.")
    ] = "",
    out: Annotated[Path | None, typer.Option(help="Folder to write; NAME-rise by default.")] = None,
    question: Annotated[str, typer.Option(help="Task sentence of the prompts; may hold {category}.")] = "",
    classes: Annotated[str, typer.Option(help="Class names in order, with commas between them.")] = "",
    test_fraction: Annotated[float, typer.Option(help="Share of test pictures, without splits.")] = 0.3,
    seed: Annotated[int, typer.Option(help="Seed of the split and of the trainings.")] = 0,
    keep_empty: Annotated[
        bool, typer.Option("--keep-empty", help="Keep pictures without an object: nothing is to be found.")
    ] = False,
    images: Annotated[
        Literal["embed", "reference"], typer.Option(help="Whether you may republish the pictures.")
    ] = "reference",
    license_id: Annotated[
        str, typer.Option("--licence", "--license", help="Licence of the pictures.")
    ] = "other",
    title: Annotated[str, typer.Option(help="Title of the dataset's card.")] = "",
    citation: Annotated[str, typer.Option(help="How to cite the pictures, in a line.")] = "",
    source_url: Annotated[str, typer.Option(help="Web address of the pictures.")] = "",
    model: Annotated[str, typer.Option(help="Model to train; with --endpoint, its name there.")] = "",
    endpoint: Annotated[
        list[str] | None, typer.Option(help="OpenAI-compatible base URL with its /v1, instead of a GPU.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Write without asking.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; write without asking.")] = False,
) -> None:
    """Look at your pictures and labels, build a dataset of them, and write a recipe for all that follows.

    Problems are listed by file and row, and nothing is written then.
    """
    from rise_bench.builders.formats.detect import detect
    from rise_bench.curation.own.recipe import DataSection
    from rise_bench.curation.own.setup import Wanted, initialise, refuse_taken

    if labels and coco:
        raise ConfigError("--labels and --coco both name the annotations; give one of them")
    named = tuple(part.strip() for part in classes.split(",") if part.strip())
    data = DataSection(
        str(pictures),
        format="coco" if coco else format_name,
        question=question,
        classes=named,
        test_fraction=test_fraction,
        keep_empty=keep_empty,
        images=images,
        license=license_id,
        title=title,
        citation=citation,
        source_url=source_url,
    )
    wanted = Wanted(pictures, labels or coco, data, name, out, model, tuple(endpoint or ()), seed)
    refuse_taken(wanted)
    detected = detect(pictures, labels or coco, named, format_name)
    if not as_json:
        typer.echo("\n".join(_seen(detected, wanted)))
    _refuse(detected, as_json=as_json)
    wanted = replace(wanted, labels=detected.annotations, data=replace(data, format=detected.format))
    if not (yes or as_json) and sys.stdin.isatty():
        typer.confirm(f"Write {wanted.folder}?", default=True, abort=True)
    with progress_bar("building") as progress:
        made = initialise(wanted, progress=progress)
    _print(detected, made, as_json=as_json)


def _seen(detected: "Detected", wanted: "Wanted") -> Iterator[str]:
    """Yield lines that describe the data."""
    of = f", {detected.kind} ({detected.format})" if detected.kind else ""
    yield f"{wanted.pictures}: {detected.pictures} pictures{of}"
    if detected.classes:
        shown = [f"{name} {count}" for name, count in detected.classes.items()]
        more = f", and {len(shown) - _SHOWN_CLASSES} more" if len(shown) > _SHOWN_CLASSES else ""
        classes = "class" if len(shown) == 1 else "classes"
        yield f"- {len(shown)} {classes}: {', '.join(shown[:_SHOWN_CLASSES])}{more}"
    if detected.splits:
        yield "- splits: " + ", ".join(f"{count} {split}" for split, count in detected.splits.items())
    if detected.empty:
        fate = (
            "kept" if wanted.data.keep_empty else "left out; --keep-empty keeps them as pictures of nothing"
        )
        yield f"- {detected.empty} without an object: {fate}"
    if detected.unused:
        yield f"- columns not used: {', '.join(detected.unused)}"
    yield from (f"- {note}" for note in detected.notes)
    yield from (f"- {count} left out: {reason}" for reason, count in detected.left_out.items())
    if wanted.data.images == "reference":
        yield (
            "- images: reference. `publish` sends ids, hashes, annotations and chains of thought, and no "
            "picture; --images embed if you may republish them"
        )
    else:
        yield f"- images: embed. `publish` sends the pictures too, under the licence {wanted.data.license}"


def _refuse(detected: "Detected", *, as_json: bool) -> None:
    """Refuse data that cannot be built, with everything that is wrong.

    Raises:
        DataError: There are problems, or no annotations.
    """
    if detected.problems:
        if as_json:
            _print_json(detected)
        listed = "\n".join(f"- {text}" for text in detected.problems[:_SHOWN_PROBLEMS])
        more = detected.problem_count - _SHOWN_PROBLEMS
        rest = f"\n- and {more} more" if more > 0 else ""
        number = f"{detected.problem_count} problem" + ("s" if detected.problem_count > 1 else "")
        raise DataError(f"{number}, nothing was written:\n{listed}{rest}")
    if not detected.format:
        raise DataError(
            f"{detected.pictures} pictures and no annotations; name them with --labels, or put the pictures "
            "of each class into a folder of its own"
        )


def _print(detected: "Detected", made: "Made", *, as_json: bool) -> None:
    """Print what was written, and what to do next."""
    if as_json:
        _print_json(detected, made)
        return
    counts = ", ".join(f"{rows} {split}" for split, rows in made.manifest.counts.items())
    typer.echo(f"\ndataset: {made.plan.dataset} ({counts} rows)\nrecipe:  {made.plan.file}")
    for split, names in _absent(made).items():
        more = f", and {len(names) - _SHOWN_CLASSES} more" if len(names) > _SHOWN_CLASSES else ""
        typer.echo(
            f"warning: no {split} row of {', '.join(names[:_SHOWN_CLASSES])}{more}; add pictures, or change "
            "--test-fraction or --seed"
        )
    printed = {f"{count} left out of the source: {reason}" for reason, count in detected.left_out.items()}
    printed |= {*detected.notes, f"columns not used: {', '.join(detected.unused)}"}
    typer.echo("".join(f"- {line}\n" for line in made.manifest.differences if line not in printed), nl=False)
    typer.echo("\n".join(f"  {note}" for note in made.choice.notes))
    typer.echo("\nnext:")
    for number, command in enumerate(made.next_commands(), 1):
        typer.echo(f"  {number}. {command}")
    if made.plan.recipe.endpoint is not None:
        typer.echo("The prices of a million tokens are an example; write those of your server.")


def _absent(made: "Made") -> dict[str, list[str]]:
    """Return the classes without a row in train, and in test if there is one."""
    from rise_bench.data.dataset import open_dataset
    from rise_bench.data.summary import summarize

    classes = summarize(open_dataset(made.plan.dataset)).classes
    absent = {split: [name for name in classes if not classes[name][split]] for split in made.manifest.counts}
    return {split: names for split, names in absent.items() if names}


def _print_json(detected: "Detected", made: "Made | None" = None) -> None:
    from dataclasses import asdict

    from rise_bench.cli.tables import print_json

    seen = asdict(detected) | {"annotations": str(detected.annotations) if detected.annotations else None}
    written = {}
    if made:
        written = {
            "dataset": str(made.plan.dataset),
            "recipe": str(made.plan.file),
            "counts": made.manifest.counts,
            "absent": _absent(made),
            "notes": list(made.choice.notes),
            "next": made.next_commands(),
        }
    print_json({"found": seen, **written})
