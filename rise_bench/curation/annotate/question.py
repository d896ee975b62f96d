"""The question of a benchmark, asked of new pictures."""

from pathlib import Path

from rise_bench.catalog.benchmarks import BENCHMARKS
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.curation.annotate.records import AnnotationRun
from rise_bench.errors import ConfigError, DataError
from rise_bench.hub.find import find_benchmark


def annotation_run(
    pictures: Path, benchmark: str, categories: str, question: str, samples: int, model: str
) -> AnnotationRun:
    """Fill the question of a benchmark in.

    Args:
        pictures: Folder of the pictures.
        benchmark: Name or folder of the benchmark; one of the catalogue need not be built.
        categories: Classes to ask for one at a time, by commas; those of the benchmark if empty.
        question: Text for `{question}`.
        samples: Answers to each question.
        model: Name of the model.

    Raises:
        ConfigError: If the question needs a class or a text that is not given, or has no place for one.
        DataError: If there is no such benchmark.
    """
    spec, known = _spec_of(benchmark)
    asked = tuple(name.strip() for name in categories.split(",")) if categories else known
    names_class = "{category}" in spec.question
    check_question(spec, asked if names_class or categories else (), question)
    if not names_class and len(asked) > 1:
        asked = ()  # one class needs no name in the question
    return AnnotationRun(pictures.expanduser().absolute(), spec, asked, question, samples, model)


def check_question(spec: BenchmarkSpec, categories: tuple[str, ...], question: str) -> None:
    """Check that a question can be asked of any picture.

    Raises:
        ConfigError: If it needs a class or a text that is not given, or has no place for one that is.
    """
    for mark, given, option in (
        ("{category}", bool(categories), "--categories a,b"),
        ("{question}", bool(question), "--question TEXT"),
    ):
        needed = mark in spec.question
        if needed and not given:
            raise ConfigError(f"{spec.name} asks {spec.question!r}; say what stands for {mark} by {option}")
        if given and not needed:
            raise ConfigError(f"{spec.name} asks {spec.question!r}, without {mark}; leave {option} out")
    if not all(categories):
        raise ConfigError("--categories holds an empty name; write the classes between single commas")
    if len(set(categories)) != len(categories):
        raise ConfigError(f"--categories {','.join(categories)} names a class twice; name it once")


def _spec_of(benchmark: str) -> tuple[BenchmarkSpec, tuple[str, ...]]:
    """Return what a benchmark is, and its classes of boxes."""
    try:
        dataset = find_benchmark(benchmark, images=False)
    except DataError:
        if benchmark not in BENCHMARKS:
            raise
        return _of_one_picture(BENCHMARKS[benchmark]), ()
    return _of_one_picture(dataset.spec), dataset.manifest.categories


def _of_one_picture(spec: BenchmarkSpec) -> BenchmarkSpec:
    if spec.images_per_row > 1:
        raise ConfigError(
            f"{spec.name} asks about {spec.images_per_row} pictures at once, and `annotate` shows one at a "
            "time; name a benchmark with one picture a row"
        )
    return spec
