"""Publishing of a trained model: safetensors and text files only, a card, `.eval_results`."""

import json
import logging
import re
import struct
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from rise_bench.catalog.parts import as_part, parts_of
from rise_bench.data.hub_files import RemoteFile, eval_results_yaml, fetch_file, model_file
from rise_bench.data.manifest import MANIFEST_NAME, read_manifest
from rise_bench.errors import ConfigError, DataError, RiseError
from rise_bench.files.paths import without_folders
from rise_bench.hub.model_card import DatasetPin, ModelFacts, model_card
from rise_bench.hub.push import Difference, Guard, Outgoing, Pushed, compare, push
from rise_bench.hub.run_example import run_facts
from rise_bench.models.adapters import Adapter, is_adapter, read_adapter
from rise_bench.models.base_model import BASE_MODEL, base_model_folder
from rise_bench.models.trained_model import final_model, recipe_of, run_of

#: Paths of the repository at which files of earlier versions are deleted: else both would load.
OWNED = (
    r"\.eval_results/rise-bench--.*\.yaml",
    r"(adapter_)?model(-\d+-of-\d+)?\.safetensors(\.index\.json)?",
    r"(adapter_)?config\.json",
)

_log = logging.getLogger(__name__)

#: Files of a model without code or pickles.
_SENT = re.compile(r"[\w.-]+\.(?:safetensors|json|jinja|txt|model)")
_WEIGHTS_ELSEWHERE = re.compile(r"pytorch_model.*\.bin|.*\.(?:pt|pth|ckpt|pkl|h5|msgpack)")
_PIN = re.compile(r"(?P<repo>[^@]+)@(?P<commit>[0-9a-f]{40})")
_SCORE_KEYS = frozenset({"benchmark", "ranking_metric", "dataset_sha256", "samples", "metrics", "floors"})


def publish_model(
    run: Path | str,
    repo_id: str,
    *,
    scores: Sequence[Path] = (),
    datasets: Sequence[str] = (),
    license_id: str = "",
    private: bool = False,
    create_pr: bool = False,
) -> Pushed:
    """Send the trained model of a run folder to the Hub in one commit.

    Args:
        run: Finished run folder of `rise-bench train`.
        repo_id: "ORG/NAME"; created if it does not exist.
        scores: Files of `rise-bench score --json`.
        datasets: "ORG/NAME@COMMIT" of the datasets of training and scoring. Scores of the same content are
            also written to `.eval_results`.
        license_id: Licence of the model; if empty, that of its base model's card, where available.
        private: Create it private.
        create_pr: Open a pull request instead of committing to main.

    Raises:
        ConfigError: If the run has no finished model, the weights are not safetensors, or a pin or score file
            is invalid.
        DataError: If a safetensors file is truncated.
        PrerequisiteError: If the Hub refuses or cannot be reached.
    """
    files = stage_model(Path(run), repo_id, scores=scores, datasets=datasets, license_id=license_id)
    return push(
        repo_id,
        files,
        title="Publish model",
        repo_type="model",
        owned=OWNED,
        guard=_guard_of(repo_id),
        private=private,
        create_pr=create_pr,
    )


def preview_model(
    run: Path | str,
    repo_id: str,
    *,
    scores: Sequence[Path] = (),
    datasets: Sequence[str] = (),
    license_id: str = "",
) -> Difference:
    """Return the changes of `publish_model` without sending; same arguments and errors."""
    files = stage_model(Path(run), repo_id, scores=scores, datasets=datasets, license_id=license_id)
    return compare(repo_id, files, owned=OWNED, repo_type="model", guard=_guard_of(repo_id))


def stage_model(
    run: Path, repo_id: str, *, scores: Sequence[Path], datasets: Sequence[str], license_id: str = ""
) -> tuple[Outgoing, ...]:
    """Return the files of the repository; arguments and errors as `publish_model`."""
    recipe = _public_recipe(run)
    folder = final_model(run)
    sent = _model_files(folder)
    pins = [read_pin(text) for text in datasets]
    scored = [read_scores(path) for path in scores]
    settings = recipe_of(run)
    adapter = read_adapter(folder) if is_adapter(folder) else None
    base = adapter.base if adapter else _first_model(str(settings["model"]["name"]))
    facts = ModelFacts(
        repo_id,
        recipe,
        _json(run / "run.json"),
        scored,
        pins,
        base=_public_name(base),
        license=license_id or _license_of(base),
        is_adapter=adapter is not None,
        of_run=run_facts(run, settings),
    )
    texts = {"README.md": model_card(facts), "recipe.yaml": yaml.safe_dump(recipe, sort_keys=False)}
    entries: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for pin in pins:
        of_pin = [score for score in scored if score["dataset_sha256"] in pin.tests]
        entries[pin.repo_id] += [_eval_entry(score, pin) for score in of_pin if _is_of_test(score, pin)]
    for repo, of_repo in entries.items():
        if of_repo:
            texts[f".eval_results/rise-bench--{repo.replace('/', '--')}.yaml"] = eval_results_yaml(of_repo)
    weights = [Outgoing.of(path.name, path) for path in sent if path.name not in texts]
    return (*(Outgoing.of(path, text.encode()) for path, text in texts.items()), *weights)


def _guard_of(repo_id: str) -> Guard:
    """Return what refuses a push into a repository with a model that this command did not send."""

    def guard(head: str, remote: Mapping[str, RemoteFile]) -> None:  # noqa: ARG001
        weights = sorted(path for path in remote if path.endswith((".safetensors", ".bin", ".gguf")))
        if weights and "recipe.yaml" not in remote:
            raise ConfigError(
                f"{repo_id} holds a model that was not published by this command ({weights[0]}); its card "
                "and weights would be replaced; give another repository, or delete its files on the Hub first"
            )

    return guard


def _is_of_test(score: Mapping[str, Any], pin: DatasetPin) -> bool:
    """Whether a score is a result of the test of a pinned dataset; the others are said and stay in the card.

    Raises:
        ConfigError: It was computed on placeholders.
    """
    if pin.withheld:
        raise ConfigError(
            f"the test annotations of {pin.repo_id} are placeholders, so that scores computed with them mean "
            "nothing; leave this file of --scores out, and submit the responses to the board that keeps them"
        )
    if (split := score.get("split", "test")) != "test":
        _log.warning("scores of the split %s of %s: in the card, not in .eval_results", split, pin.repo_id)
    return bool(split == "test")


def _public_name(model: str) -> str:
    """Return the Hub id of a model, also of a folder in the Hub cache; of another folder its name alone."""
    path = Path(model).expanduser()
    if cached := re.fullmatch(r"models--([^-].*?)--(.+)", path.parent.parent.name):
        return f"{cached[1]}/{cached[2]}"
    return path.name if path.is_absolute() or model.startswith(("~", ".")) or path.exists() else model


def _first_model(name: str) -> str:
    """Return the model that a chain of runs started from."""
    seen: set[str] = set()
    while name not in seen and (run := run_of(Path(name).expanduser())) is not None:
        seen.add(name)
        name = str(recipe_of(run)["model"]["name"])
    return name


def _license_of(model: str) -> str:
    """Return the licence that the card of a model states; empty if there is no such card."""
    folder = Path(model).expanduser()
    cards = sorted(base_model_folder().glob("*.md")) if model == BASE_MODEL else [folder / "README.md"]
    if model.count("/") == 1 and not folder.is_dir():
        with suppress(RiseError):
            cards = [path for path in [model_file(model, "README.md")] if path]
    for path in filter(Path.is_file, cards):
        front = re.match(r"---\n(.*?)\n---", path.read_text(encoding="utf-8"), re.DOTALL)
        if front and (stated := re.search(r"^license: *([\w.-]+) *$", front[1], re.MULTILINE)):
            return stated[1]
    return ""


def read_pin(text: str) -> DatasetPin:
    """Read "ORG/NAME@COMMIT" and fetch the manifest of that commit."""
    match = _PIN.fullmatch(text)
    if match is None:
        raise ConfigError(f"{text!r} pins no dataset; write ORG/NAME@COMMIT with the 40 digits of the commit")
    manifest = read_manifest(fetch_file(match["repo"], MANIFEST_NAME, match["commit"]).parent)
    spec, content = manifest.benchmark, manifest.content_sha256
    tests = {content: spec.name} | {
        manifest.of_test(split, as_part(spec, name)).content_sha256: name
        for name, split in parts_of(spec.name).items()
        if split != "test" and split in manifest.counts
    }
    return DatasetPin(match["repo"], match["commit"], content, tests, manifest.is_withheld)


def read_scores(path: Path) -> dict[str, Any]:
    """Read a file of `rise-bench score --json`."""
    scores = _json(path)
    if missing := sorted(_SCORE_KEYS - scores.keys()):
        raise ConfigError(
            f"{path} is not a scored run (it lacks {', '.join(missing)}); "
            "write it with `rise-bench score --json`"
        )
    return scores


def check_safetensors(path: Path) -> None:
    """Raise `DataError` unless a file is complete: a JSON header whose tensors fill the rest exactly."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else size
        try:
            header: Any = json.loads(file.read(length)) if length < size else None
            ends = [entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__"]
        except (ValueError, AttributeError, KeyError, TypeError, IndexError):
            ends = [-1]
    if 8 + length + max(ends, default=0) != size:
        raise DataError(f"{path} is truncated or not a safetensors file; train the phase or copy it again")


def _model_files(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.iterdir() if path.is_file())
    weights = [path for path in files if path.suffix == ".safetensors"]
    if is_adapter(folder):
        _check_base(read_adapter(folder))
    for path in files:
        if not weights and _WEIGHTS_ELSEWHERE.fullmatch(path.name):
            raise ConfigError(
                f"{path} is a pickle, which runs code when it is loaded; save the model as safetensors"
            )
    if not weights or not ((folder / "config.json").is_file() or is_adapter(folder)):
        raise ConfigError(f"{folder} lacks safetensors weights or config.json; train the phase again")
    for path in weights:
        check_safetensors(path)
    for index in folder.glob("*.safetensors.index.json"):
        for name in sorted(set(_json(index)["weight_map"].values())):
            if not (folder / name).is_file():
                raise ConfigError(f"{folder} lacks {name}, which {index.name} names; copy the run again")
    return [path for path in files if _SENT.fullmatch(path.name)]


def _check_base(adapter: Adapter) -> None:
    """Check that others can fetch the base model of an adapter."""
    if adapter.base.count("/") != 1 or adapter.base.startswith((".", "/", "~")):
        raise ConfigError(
            f"the adapter {adapter.folder} has the base model {adapter.base}, which is not on the Hub; "
            "train with model.lora.adapter_only=false, which merges it"
        )


def _public_recipe(run: Path) -> dict[str, Any]:
    """Return the resolved config without folders of this machine."""
    path = run / "config.yaml"
    if not path.is_file():
        raise ConfigError(f"{run} has no config.yaml; name the run folder of `rise-bench train`")
    recipe: dict[str, Any] = without_folders(yaml.safe_load(path.read_text(encoding="utf-8")))
    return recipe


def _eval_entry(score: Mapping[str, Any], pin: DatasetPin) -> dict[str, Any]:
    name = score["ranking_metric"]
    metric = score["metrics"][name]
    notes = f"{name}, {score['samples']} samples"
    if metric["low"] is not None:
        notes += f", 95% interval [{metric['low']:.6g}, {metric['high']:.6g}]"
    return {
        "dataset_id": pin.repo_id,
        "task_id": f"rise_{pin.tests[score['dataset_sha256']]}",
        "value": metric["value"],
        "dataset_revision": pin.commit,
        "notes": notes,
    }


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read as JSON ({error}); name another file") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} does not hold a JSON object; name another file")
    return content
