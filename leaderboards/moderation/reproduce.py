"""Second run of a random part of an open-weights submission, for the tier "reproduced".

The samples are chosen by hash from a recorded seed, so that anyone can check the choice; the seed, such as
the commit that merges a submission, is unknown at its time. The model is fetched at the submission's commit
(safetensors, no code) and runs through lmms-eval on the chosen samples in a confined process.
"""

import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rise_bench.catalog.families import FAMILIES
from rise_bench.errors import ConfigError, PrerequisiteError
from rise_bench.evaluation.confined import Confinement, memory_of_machine
from rise_bench.evaluation.lmms_command import task_of
from rise_bench.evaluation.lmms_models import pixel_limits
from rise_bench.evaluation.responses import read_responses
from rise_bench.leaderboards.moderation.staging import stage_model, write_part
from rise_bench.leaderboards.ranking.entries import verify_folder
from rise_bench.leaderboards.submissions.reasons import quoted
from rise_bench.leaderboards.submissions.samples import SAMPLES_NAME, read_samples
from rise_bench.leaderboards.submissions.schema import Submission
from rise_bench.leaderboards.submissions.tree import FOLDER, is_submission_folder
from rise_bench.leaderboards.verification.gold_board import GoldBoard
from rise_bench.models.names import MAX_MODEL_BYTES, CheckedModel, fetch_checked_model
from rise_bench.processes.environment import replaced_environment
from rise_bench.prompts.asked_format import MAX_PIXELS_VARIABLE

#: Models of lmms-eval that load a checkpoint with classes of transformers and never with `trust_remote_code`;
#: each runs the family of its name. A test reads their source.
ENGINES = tuple(family.name for family in FAMILIES.values() if family.can_be_rerun)

_LIMITS = re.compile(r"\b(min_pixels|max_pixels)=(\d{1,8})(?!\d)")


def check_engine(submission: Submission) -> None:
    """Check that an engine loads models with classes of transformers alone.

    Raises:
        ConfigError: If it is not one of `ENGINES`.
    """
    engine = submission.decoding.engine
    if engine not in ENGINES:
        raise ConfigError(
            f"engine {quoted(engine)!r} cannot be run again: only {', '.join(ENGINES)} load a model without "
            "code from its author"
        )


def fetch_model(submission: Submission, *, max_bytes: int = MAX_MODEL_BYTES) -> CheckedModel:
    """Download a model at the submission's commit: safetensors and configuration, no code, no pickles.

    Raises:
        ConfigError: If the weights are closed, there are no safetensors, the model has more than `max_bytes`,
            or it needs code of its own.
        PrerequisiteError: If the Hub refuses it.
    """
    model = submission.model
    if model.revision == "closed":
        raise ConfigError(f"the weights of {model.id} are not public; only open weights can be run again")
    return fetch_checked_model(model.id, model.revision, max_bytes=max_bytes)


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
        submission: Submission to run again.
        model: The model, from the Hub or a folder.
        chosen: Ids of the samples.
        work: Empty folder for the model and the part.
        model_args: Further model arguments of lmms-eval from the maintainer, e.g.
            "device=cpu,device_map=cpu".
        time_s: Time limit; None takes 10 minutes and 1 minute per sample.
        memory_bytes: Data limit of a process; None takes half of the machine's memory.

    Returns:
        Raw responses by id, and `Confinement.outcome`.

    Raises:
        ConfigError: If the engine or the model could run code of its author.
        PrerequisiteError: If the results of lmms-eval are incomplete.
    """
    from rise_bench.evaluation.lmms_eval import evaluate

    check_engine(submission)
    decoding = submission.decoding
    stage_model(model, decoding.engine, work / "model")
    write_part(board, chosen, work / "data" / board.spec.name)
    results = Path(tempfile.mkdtemp(prefix="rise-bench-again-"))  # kept if the run fails, for its log
    settings = {
        "temperature": decoding.temperature,
        "do_sample": decoding.temperature > 0,
        "top_p": decoding.top_p,
        "max_new_tokens": decoding.max_new_tokens,
        "num_beams": 1,
    }
    task, environment = task_of(board.spec.name)
    arguments = [
        "--tasks", task,
        "--model", decoding.engine,
        "--model_args",
        ",".join(filter(None, (f"pretrained={work / 'model'}", image_limits(submission), model_args))),
        "--gen_kwargs", ",".join(f"{name}={value}" for name, value in settings.items()),
        "--seed", str(decoding.seed % 2**32),
        "--output_path", str(results),
    ]  # fmt: skip
    asked = submission.prompt
    environment |= {
        "RISE_BENCH_DATA": str(work / "data"),
        MAX_PIXELS_VARIABLE: str(asked.max_pixels),
    }
    confinement = Confinement(
        work / "confined",
        600 + 60 * len(chosen) if time_s is None else time_s,
        memory_of_machine() // 2 if memory_bytes is None else memory_bytes,
    )
    with replaced_environment(os.environ | environment):
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
    """Return model arguments for the resolution of the submitted run.

    They are those of its command, into which `rise-bench eval` writes the limits of the checkpoint. A command
    without limits (plain lmms-eval, rise-bench 0.1.0) used those of lmms-eval.
    """
    own = pixel_limits(submission.decoding.engine)
    if own is None:
        return ""
    stated = dict(_LIMITS.findall(submission.run.command))
    if "max_pixels" not in stated:
        stated = dict(zip(("min_pixels", "max_pixels"), own, strict=True)) | stated
    return ",".join(f"{name}={value}" for name, value in sorted(stated.items(), reverse=True))


def read_accepted(
    results: Path, name: str, boards: Mapping[str, GoldBoard]
) -> tuple[str, Submission, dict[str, str]]:
    """Return folder, submission and responses of a submission on the board.

    Raises:
        ConfigError: If it does not exist, or the verifier refuses it.
    """
    path = f"{FOLDER}/{name.removeprefix(FOLDER + '/').strip('/')}"
    if not (is_submission_folder(path) and (results / path).is_dir()):
        raise ConfigError(f"{results} has no {path}; name a submission as AUTHOR/NAME")
    outcome = verify_folder(results, path, boards)
    if outcome.decision == "reject" or outcome.submission is None:
        reasons = "; ".join(reason.message for reason in outcome.reasons)
        raise ConfigError(f"{path} is refused by the verifier: {reasons}")
    responses, _ = read_samples((results / path / SAMPLES_NAME).read_bytes())
    return path, outcome.submission, responses
