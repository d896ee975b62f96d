"""A submitter's model on the loopback Hub: what of it is fetched and what is refused; none of it runs."""

import ast
import importlib.util
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rise_bench.errors import ConfigError, PrerequisiteError
from rise_bench.hub.push import Outgoing, push
from rise_bench.leaderboards.moderation import reproduce, staging
from rise_bench.leaderboards.submissions.schema import Submission
from rise_bench.models.base_model import base_model_folder
from rise_bench.models.names import CheckedModel, checked_model

from ..support.minihub import Minihub

REPO = "alice/model"
ENGINE_FOLDERS = ("simple", "chat")
#: In an engine's source: ways by which a model's folder can become code.
CODE = {"trust_remote_code", "eval", "exec", "pickle", "joblib", "dill", "subprocess", "system", "popen",
        "import_module", "__import__", "run_path", "run_module", "unsafe_load", "full_load"}  # fmt: skip


def engine_sources() -> dict[str, list[Path]]:
    found = importlib.util.find_spec("lmms_eval")
    assert found is not None and found.submodule_search_locations
    models = Path(found.submodule_search_locations[0]) / "models"
    sources: dict[str, list[Path]] = {}
    for path in sorted(models.glob("*/*.py")):
        if path.parent.name in ENGINE_FOLDERS and not path.name.startswith("_"):
            sources.setdefault(path.stem, []).append(path)
    return sources


def names_in(path: Path) -> set[str]:
    """Names, attributes, keywords and imported modules of a source file; `model.eval()` is none."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and node.attr != "eval":
            names.add("torch.load" if ast.unparse(node) == "torch.load" else node.attr)
        elif isinstance(node, ast.keyword | ast.arg):
            names.add(node.arg or "")
        elif isinstance(node, ast.Constant) and node.value == "trust_remote_code":
            names.add(node.value)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            modules = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
            names |= {part for module in modules for part in module.split(".")}
    return names


@pytest.mark.parametrize("engine", reproduce.ENGINES)
def test_the_source_of_an_allowed_engine_leads_to_no_code_of_a_model(engine: str):
    sources = engine_sources()[engine]
    assert sources
    for path in sources:
        assert not names_in(path) & (CODE | {"torch.load"}), path
        assert "ForConditionalGeneration" in path.read_text() or path.parent.name == "chat"


def trusting() -> Iterator[str]:
    trusts = re.compile(r"""trust_remote_code["']?(?::[^=\n]+)?\s*[=:]\s*True""")
    for engine, paths in engine_sources().items():
        if any(trusts.search(path.read_text(encoding="utf-8")) for path in paths):
            yield engine


def test_every_engine_that_trusts_remote_code_is_refused(honest):
    others = ("", "transformers", "vllm", "qwen2_vl,x", "QWEN2_VL", "../qwen2_vl")
    engines = [*trusting(), *others]
    assert len(engines) > 28 and "lfm2_5_vl" in engines
    for engine in engines:
        with pytest.raises(ConfigError, match="cannot be run again: only qwen2_vl, qwen2_5_vl"):
            reproduce.check_engine(submission(honest, engine))


def submission(honest, engine: str = "qwen2_vl", **model: str) -> Submission:
    parts = honest(**model)
    parts.submission["decoding"]["engine"] = engine
    return Submission.model_validate(parts.submission)


@pytest.fixture
def files() -> dict[str, bytes]:
    """The files of a small Qwen2-VL."""
    read = (path for path in base_model_folder().iterdir() if path.suffix in (".json", ".jinja"))
    return {path.name: path.read_bytes() for path in read} | {"model.safetensors": b"\0" * 64}


def publish(files: dict[str, bytes]) -> str:
    outgoing = [Outgoing.of(path, content) for path, content in files.items()]
    return push(REPO, outgoing, title="Model", repo_type="model").commit


def fetched(hub: Minihub) -> set[str]:
    """Files of the model that were downloaded."""
    paths = (request.path for request in hub.log if request.method == "GET")
    return {path.split("/resolve/")[1].split("/", 1)[1] for path in paths if "/resolve/" in path}


AUTO_MAP = b'{"auto_map": {"AutoProcessor": "mallory/repo--evil.EvilProc"}}'
EVIL = b"import pathlib; pathlib.Path('ran').touch()"

REFUSED: dict[str, tuple[dict[str, bytes], str]] = {
    "processor of another repository": ({"video_preprocessor_config.json": AUTO_MAP}, "names code"),
    "deep in the configuration": (
        {"config.json": b'{"model_type": "qwen2_vl", "text_config": {"x": [' + AUTO_MAP + b"]}}"},
        "names code",
    ),
    "custom generate": ({"generation_config.json": b'{"custom_generate": "mallory/repo"}'}, "names code"),
    "kernel of a repository": (
        {"config.json": b'{"model_type": "qwen2_vl", "attn_implementation": "mallory/kernel"}'},
        "names code",
    ),
    "adapter": (
        {"adapter_config.json": b'{"base_model_name_or_path": "mallory/x"}'},
        "is a model and an adapter",
    ),
    "shard outside": (
        {"model.safetensors.index.json": b'{"weight_map": {"a": "../../../evil.bin"}}'},
        "not a safetensors file beside it",
    ),
}


@pytest.mark.parametrize(("added", "message"), REFUSED.values(), ids=REFUSED)
def test_a_model_that_names_code_is_refused(
    alice: Minihub, honest, files: dict[str, bytes], added: dict[str, bytes], message: str
):
    commit = publish(files | added)
    with pytest.raises(ConfigError, match=message):
        reproduce.fetch_model(submission(honest, id=REPO, revision=commit))
    with pytest.raises(ConfigError, match=message):
        checked_model(REPO)


def test_only_files_of_the_allow_list_are_fetched(
    alice: Minihub, honest, files: dict[str, bytes], tmp_path: Path
):
    left = (
        *("modeling_x.py", "custom_generate/generate.py", "pytorch_model.bin", "training_args.bin"),
        *("vocab.pkl", "original/consolidated.00.pth", "sub/config.json", "other.json", "evil.jinja"),
    )
    commit = publish(files | dict.fromkeys(left, EVIL) | {"additional_chat_templates/tool.jinja": b"{{ 1 }}"})
    model = reproduce.fetch_model(submission(honest, id=REPO, revision=commit))
    expected = {*files, "additional_chat_templates/tool.jinja"}
    assert set(model.paths) == fetched(alice) == expected
    assert model.revision == commit
    staging.stage_model(model, "qwen2_vl", tmp_path / "staged")
    staged = [path for path in (tmp_path / "staged").rglob("*") if not path.is_dir()]
    assert {path.relative_to(tmp_path / "staged").as_posix() for path in staged} == expected
    assert not any(path.is_symlink() for path in staged)
    assert model == checked_model(REPO), "train, collect and judge take the same way"


def test_a_model_without_safetensors_or_too_large_is_refused_before_anything_is_fetched(
    alice: Minihub, honest, files: dict[str, bytes]
):
    weights = files.pop("model.safetensors")
    commit = publish(files | {"pytorch_model.bin": EVIL})
    with pytest.raises(ConfigError, match=r"no \.safetensors"):
        reproduce.fetch_model(submission(honest, id=REPO, revision=commit))
    commit = publish(files | {"model.safetensors": weights})
    with pytest.raises(ConfigError, match="over the limit"):
        reproduce.fetch_model(submission(honest, id=REPO, revision=commit), max_bytes=10)
    assert fetched(alice) == set()


def test_the_description_of_a_model_is_checked_without_its_weights(alice: Minihub, files: dict[str, bytes]):
    publish(files)
    checked_model(REPO, weights=False)
    assert fetched(alice) == files.keys() - {"model.safetensors"}
    publish({"video_preprocessor_config.json": AUTO_MAP})
    with pytest.raises(ConfigError, match="names code"):
        checked_model(REPO, weights=False)


def test_a_model_of_another_family_than_its_engine_is_refused(files: dict[str, bytes], tmp_path: Path):
    with pytest.raises(ConfigError, match="engine qwen2_5_vl runs models of type qwen2_5_vl, not 'qwen2_vl'"):
        staging.stage_model(as_folder(files, tmp_path / "model"), "qwen2_5_vl", tmp_path / "staged")


def as_folder(files: dict[str, bytes], folder: Path) -> CheckedModel:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return checked_model(str(folder))


SHAPING = {"top_k": 1, "repetition_penalty": 1.05}
GENERATION: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "beams": ({"num_beams": 512, "num_return_sequences": 64}, {}),
    "lengths": ({"max_new_tokens": 10**9, "max_length": 10**9, "min_length": 10**6, "max_time": 9e9}, {}),
    "tokens": ({"suppress_tokens": [1], "forced_eos_token_id": 3, "bad_words_ids": [[1]]}, {}),
    "ends": ({"eos_token_id": 5, "pad_token_id": 6, "stop_strings": ["a"]}, {}),
    "modes": ({"penalty_alpha": 0.6, "dola_layers": "high", "prompt_lookup_num_tokens": 9}, {}),
    "what shapes a text": (dict(SHAPING), dict(SHAPING)),
    "out of range": ({"top_k": -1, "repetition_penalty": 1e9}, {}),
    "of other kinds": ({"top_k": True, "repetition_penalty": "1.05"}, {}),
    "not a number": ({"repetition_penalty": float("nan")}, {}),
}


@pytest.mark.parametrize(("own", "kept"), GENERATION.values(), ids=GENERATION)
def test_generation_settings_of_a_checkpoint_do_not_matter(
    files: dict[str, bytes], tmp_path: Path, own: dict[str, object], kept: dict[str, object]
):
    files["generation_config.json"] = json.dumps(own).encode()
    model = as_folder(files, tmp_path / "model")
    staging.stage_model(model, "qwen2_vl", tmp_path / "staged")
    assert json.loads((tmp_path / "staged" / "generation_config.json").read_text()) == kept
    assert (model.folder / "generation_config.json").read_bytes() == files["generation_config.json"]


def test_a_run_without_generation_settings_gets_ours(files: dict[str, bytes], tmp_path: Path):
    del files["generation_config.json"]
    staging.stage_model(as_folder(files, tmp_path / "model"), "qwen2_vl", tmp_path / "staged")
    assert json.loads((tmp_path / "staged" / "generation_config.json").read_text()) == {}


def test_what_is_staged_is_what_is_checked(files: dict[str, bytes], tmp_path: Path):
    """A file that changes after the first check does not get through."""
    model = as_folder(files, tmp_path / "model")
    (model.folder / "processor_config.json").write_bytes(AUTO_MAP)
    with pytest.raises(ConfigError, match=r"processor_config\.json names code"):
        staging.stage_model(model, "qwen2_vl", tmp_path / "staged")
    shutil.rmtree(tmp_path / "staged")
    (model.folder / "processor_config.json").unlink()
    (model.folder / "processor_config.json").symlink_to(tmp_path / "elsewhere.json")
    (tmp_path / "elsewhere.json").write_bytes(AUTO_MAP)
    with pytest.raises(ConfigError, match=r"processor_config\.json names code"):
        staging.stage_model(model, "qwen2_vl", tmp_path / "staged")


def test_a_run_that_fails_leaves_its_log(boards, honest, files, stand_in, tmp_path, monkeypatch):
    """The engine and transformers are stand-ins that start at once; the log is named and is there."""
    light = tmp_path / "light" / "transformers"
    light.mkdir(parents=True)
    for name in ("__init__.py", "dynamic_module_utils.py"):
        (light / name).touch()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((os.environ["PYTHONPATH"], str(light.parent))))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    stand_in.plan("MemoryError", code=1)
    model, said = as_folder(files, tmp_path / "model"), submission(honest)
    with pytest.raises(PrerequisiteError, match="limit of 1.0 GiB") as error:
        reproduce.run_again(
            boards["emotion6"], said, model, ["emotion6/040"], tmp_path / "work", memory_bytes=2**30
        )
    log = re.search(r"Its output is in (\S+)$", str(error.value))
    assert log and "MemoryError" in Path(log[1]).read_text()
    staged = dict(pair.split("=", 1) for pair in stand_in.flag("--model_args").split(","))
    assert Path(staged["pretrained"]) == tmp_path / "work" / "model"
    assert "num_beams=1" in stand_in.flag("--gen_kwargs").split(",")


def test_a_folder_is_checked_before_an_evaluation_starts(
    files: dict[str, bytes], tmp_path: Path, monkeypatch
):
    from rise_bench.evaluation.lmms_eval import evaluate

    model = as_folder(files, tmp_path / "model")
    (model.folder / "config.json").write_bytes(b'{"auto_map": {"AutoConfig": "evil.Config"}}')
    flags = ["--tasks", "mmmu_val", "--model", "qwen2_vl", "--model_args", f"pretrained={model.folder}"]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"config\.json names code"):
        evaluate([*flags, "--output_path", "out"])
    assert not (tmp_path / "out").exists()
