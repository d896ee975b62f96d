"""Running a random part of an open-weights submission again: what the tier "reproduced" stands on.

The part is chosen by hash from a seed that is recorded with the result, so that anyone can check the choice;
the seed has to be one that nobody knew when the submission was made, such as the commit that merged it. The
model is fetched at the submission's commit, weights as safetensors and no code, and runs through lmms-eval on
the chosen samples alone, as the submitter's run did, in a confined process.
"""

import contextlib
import hashlib
import json
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rise_bench._version import __version__
from rise_bench.catalog.families import FAMILIES
from rise_bench.data.manifest import write_manifest
from rise_bench.errors import ConfigError, DataError, PrerequisiteError
from rise_bench.evaluation.confined import Confinement, memory_of_machine
from rise_bench.evaluation.lmms_models import pixel_limits
from rise_bench.evaluation.responses import read_responses
from rise_bench.files.atomic import atomic_write_text, sha256_file
from rise_bench.leaderboards.ranking.entries import verify_folder
from rise_bench.leaderboards.submissions.schema import SAMPLES_NAME, Submission, quoted, read_samples
from rise_bench.leaderboards.submissions.tree import FOLDER, is_submission_folder
from rise_bench.leaderboards.verification.gold_board import GoldBoard
from rise_bench.models.model_files import check_model_folder, is_read
from rise_bench.models.names import MAX_MODEL_BYTES, CheckedModel, fetch_checked_model
from rise_bench.prompts.asked_format import MAX_PIXELS_VARIABLE
from rise_bench.scoring.bootstrap import draw, mean_interval
from rise_bench.scoring.scores import score_response

#: Models of lmms-eval that load a checkpoint with classes of transformers and never with `trust_remote_code`;
#: each runs the family of its name. A test reads their source.
ENGINES = tuple(family.name for family in FAMILIES.values() if family.can_be_rerun)
#: Generation settings of a checkpoint that the submitter's run had too, and their range.
_KEPT_GENERATION: dict[str, tuple[float, float]] = {"top_k": (0, 100_000), "repetition_penalty": (0.5, 2.0)}
#: Responses that differ although nothing is wrong (another GPU, another batch) still give about these scores.
_CLOSE = 0.02
_MOSTLY_SAME = 0.9


@dataclass(frozen=True, slots=True)
class Agreement:
    """How the part that was run again compares with what was submitted.

    Attributes:
        samples: Samples in the part.
        identical: Share of responses that are the same, white space aside.
        submitted: Mean score of the part as submitted (JSD, accuracy or similarity of boxes).
        again: Mean score of the part as run again.
        difference: `again - submitted`, with its 95% interval over samples.
        agrees: Whether most responses are the same, or the interval holds zero and the difference is small
            or well within it.
    """

    samples: int
    identical: float
    submitted: float
    again: float
    difference: float
    low: float
    high: float
    agrees: bool


def choose(ids: Sequence[str], seed: str, samples_sha256: str, fraction: float) -> list[str]:
    """Choose the samples to run again: those with the smallest sha256 of seed, submission and id.

    Args:
        ids: Ids of all samples.
        seed: Any text that was unknown when the submission was made.
        samples_sha256: Hash of the submitted samples.
        fraction: Share to choose, above 0 and at most 1; at least one sample.

    Raises:
        ConfigError: If the fraction is out of range.
    """
    if not 0 < fraction <= 1:
        raise ConfigError(f"--fraction {fraction} is out of range; choose above 0 and at most 1, e.g. 0.1")

    def rank(sample_id: str) -> str:
        return hashlib.sha256(f"{seed}:{samples_sha256}:{sample_id}".encode()).hexdigest()

    return sorted(sorted(ids, key=rank)[: max(1, round(fraction * len(ids)))])


def compare(
    board: GoldBoard, submission: Submission, submitted: Mapping[str, str], again: Mapping[str, str]
) -> Agreement:
    """Compare the responses to the chosen samples, `again`, with those that were submitted."""
    answer_format = submission.prompt.answer_format
    scores = np.array(
        [
            [
                score_response(board.by_id[i], texts[i], answer_format).value(board.spec.ranking)
                for i in sorted(again)
            ]
            for texts in (submitted, again)
        ]
    )
    identical = float(np.mean([submitted[i].split() == again[i].split() for i in again]))
    difference = mean_interval(scores[1] - scores[0], draw(len(again), seed=0))
    same_score = difference.low <= 0 <= difference.high or abs(difference.value) <= _CLOSE
    return Agreement(
        len(again),
        identical,
        float(scores[0].mean()),
        float(scores[1].mean()),
        difference.value,
        difference.low,
        difference.high,
        identical >= _MOSTLY_SAME or same_score,
    )


def record(
    path: str,
    submission: Submission,
    seed: str,
    fraction: float,
    chosen: Sequence[str],
    found: Agreement,
    confinement: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the content of `reproductions/<author>/<name>.json`."""
    return {
        "record_version": 1,
        "rise_bench": __version__,
        "path": path,
        "samples_sha256": submission.samples.sha256,
        "model": submission.model.model_dump(mode="json"),
        "seed": seed,
        "fraction": fraction,
        "ids": list(chosen),
        "confinement": dict(confinement),
        **asdict(found),
    }


def check_engine(submission: Submission) -> None:
    """Check that an engine loads models with classes of transformers alone.

    Raises:
        ConfigError: If it is not one of `ENGINES`.
    """
    engine = submission.decoding.engine
    if engine not in ENGINES:
        raise ConfigError(
            f"engine {quoted(engine)!r} is not run again: only {', '.join(ENGINES)} load a model without any "
            "code of its author"
        )


def fetch_model(submission: Submission, *, max_bytes: int = MAX_MODEL_BYTES) -> CheckedModel:
    """Download a model at the submission's commit: safetensors and descriptions, never code or pickles.

    Raises:
        ConfigError: If the weights are closed, there are no safetensors, the model has more than `max_bytes`,
            or it needs code of its own.
        PrerequisiteError: If the Hub does not give it.
    """
    model = submission.model
    if model.revision == "closed":
        raise ConfigError(f"the weights of {model.id} are not public; only open weights can be run again")
    return fetch_checked_model(model.id, model.revision, max_bytes=max_bytes)


def stage_model(model: CheckedModel, engine: str, folder: Path) -> None:
    """Put the files of a model that are read into a new folder, with generation settings of our own.

    Args:
        model: The model, from the Hub or a folder.
        engine: lmms-eval's `--model`, one of `ENGINES`.
        folder: Folder to make.

    Raises:
        ConfigError: If loading it could run code of its author, or it is of another family than the engine.
    """
    for name in filter(is_read, model.paths):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        source = (model.folder / name).resolve()
        try:
            target.hardlink_to(source)
        except OSError:  # another file system
            shutil.copyfile(source, target)
    check_model_folder(folder)
    settings = folder / "generation_config.json"
    own = json.loads(settings.read_bytes()) if settings.is_file() else {}
    atomic_write_text(settings, json.dumps(_generation(own)))
    family = json.loads((folder / "config.json").read_bytes()).get("model_type")
    if family != engine:
        raise ConfigError(f"engine {engine} runs models of type {engine}, not {family!r:.80}")


def _generation(own: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a checkpoint's generation settings is kept: those that cost nothing and shape a text.

    Beams, lengths, forced and suppressed tokens and all else are ours: lmms-eval's defaults and the
    submission's own decoding.
    """
    kept: dict[str, Any] = {}
    for name, (low, high) in _KEPT_GENERATION.items():
        value = own.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
            kept[name] = type(low)(value)
    return kept


def write_part(board: GoldBoard, chosen: Sequence[str], folder: Path) -> None:
    """Write a dataset folder whose test split is the chosen rows; its train split, for the floors, is kept.

    Raises:
        DataError: If the dataset has no images.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    dataset, manifest = board.dataset, board.dataset.manifest
    if manifest.images == "reference":
        raise DataError(
            f"{dataset.root} has no images; run `rise-bench build` or `rise-bench rehydrate` and give that "
            "folder with --data"
        )
    (folder / "data").mkdir(parents=True)
    files, wanted = {}, pa.array(list(chosen))
    for name, entry in manifest.files.items():
        if entry.split != "test":
            shutil.copy(dataset.root / name, folder / name)
            files[name] = entry
            continue
        table = pq.read_table(dataset.root / name)
        part = table.filter(pa.compute.is_in(table["id"], value_set=wanted))
        if part.num_rows:
            pq.write_table(part, folder / name, row_group_size=16)
            size = (folder / name).stat().st_size
            changed = {"rows": part.num_rows, "bytes": size, "sha256": sha256_file(folder / name)}
            files[name] = entry.model_copy(update=changed)
    rows = hashlib.sha256(f"{manifest.content_sha256}:{','.join(chosen)}".encode()).hexdigest()
    counts = manifest.counts | {"test": len(chosen)}
    write_manifest(folder, manifest.of_rows(rows, files=files, counts=counts, partial=True))


def run_again(
    board: GoldBoard,
    submission: Submission,
    model: CheckedModel,
    chosen: Sequence[str],
    work: Path,
    model_args: str = "",
    *,
    time_s: float | None = None,
    memory_bytes: int | None = None,
) -> tuple[dict[str, str], Mapping[str, Any]]:
    """Run the chosen samples through lmms-eval in a confined process.

    Args:
        board: The benchmark, images included.
        submission: What is run again.
        model: The model, from the Hub or a folder.
        chosen: Ids of the samples.
        work: Empty folder for the model and the part.
        model_args: Further model arguments of lmms-eval, e.g. "device=cpu,device_map=cpu"; the maintainer's,
            never the submission's.
        time_s: Seconds until the run is killed; None takes 10 minutes and 1 minute a sample.
        memory_bytes: Largest data of a process; None takes half of the machine's memory.

    Returns:
        Raw responses by id, and how the run was confined; see `Confinement.outcome`.

    Raises:
        ConfigError: If the engine or the model could run code of its author.
        PrerequisiteError: If lmms-eval gives no complete results.
    """
    from rise_bench.evaluation.lmms_eval import evaluate

    check_engine(submission)
    decoding = submission.decoding
    stage_model(model, decoding.engine, work / "model")
    write_part(board, chosen, work / "data" / board.spec.name)
    results = Path(tempfile.mkdtemp(prefix="rise-bench-again-"))  # kept if the run fails: its log says why
    settings = {
        "temperature": decoding.temperature,
        "do_sample": decoding.temperature > 0,
        "top_p": decoding.top_p,
        "max_new_tokens": decoding.max_new_tokens,
        "num_beams": 1,
    }
    arguments = [
        "--tasks", f"rise_{board.spec.name}",
        "--model", decoding.engine,
        "--model_args",
        ",".join(filter(None, (f"pretrained={work / 'model'}", image_limits(submission), model_args))),
        "--gen_kwargs", ",".join(f"{name}={value}" for name, value in settings.items()),
        "--seed", str(decoding.seed % 2**32),
        "--output_path", str(results),
    ]  # fmt: skip
    asked = submission.prompt
    environment = {
        "RISE_BENCH_DATA": str(work / "data"),
        MAX_PIXELS_VARIABLE: str(asked.max_pixels),
    }
    confinement = Confinement(
        work / "confined",
        600 + 60 * len(chosen) if time_s is None else time_s,
        memory_of_machine() // 2 if memory_bytes is None else memory_bytes,
    )
    with _environment(environment):
        tasks = evaluate(
            arguments,
            box_unit=asked.box_unit,
            style=asked.style,
            resamples=0,
            confinement=confinement,
        )
    texts = dict(read_responses(tasks[0].samples).texts)
    if sorted(texts) != list(chosen):
        raise PrerequisiteError(
            f"lmms-eval answered {len(texts)} of {len(chosen)} samples with "
            f"{shlex.join(arguments)}; see its output above"
        )
    shutil.rmtree(results)
    return texts, confinement.outcome()


def image_limits(submission: Submission) -> str:
    """Return model arguments for the resolution that a submission was run in.

    `rise-bench eval` states the checkpoint's limits, and does so again. A command that states none was run at
    those of lmms-eval itself: by plain lmms-eval, or by rise-bench 0.1.0.
    """
    own = pixel_limits(submission.decoding.engine)
    if own is None or "max_pixels=" in submission.run.command:
        return ""
    return f"min_pixels={own[0]},max_pixels={own[1]}"


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def read_accepted(
    results: Path, name: str, boards: Mapping[str, GoldBoard]
) -> tuple[str, Submission, dict[str, str]]:
    """Return folder, submission and responses of a submission on the board.

    Raises:
        ConfigError: If there is none of that name, or the verifier refuses it.
    """
    path = f"{FOLDER}/{name.removeprefix(FOLDER + '/').strip('/')}"
    if not (is_submission_folder(path) and (results / path).is_dir()):
        raise ConfigError(f"{results} has no {path}; name a submission as AUTHOR/NAME")
    outcome = verify_folder(results, path, boards)
    if outcome.decision == "reject" or outcome.submission is None:
        reasons = "; ".join(reason.message for reason in outcome.reasons)
        raise ConfigError(f"{path} is refused by the verifier and not run again: {reasons}")
    responses, _ = read_samples((results / path / SAMPLES_NAME).read_bytes())
    return path, outcome.submission, responses
