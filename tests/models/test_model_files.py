"""What of a model is refused because loading it could run code of its author, and what is not."""

import ast
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rise_bench.errors import ConfigError
from rise_bench.models.base_model import base_model_folder
from rise_bench.models.model_files import check_model_folder, is_read
from rise_bench.models.names import checked_model, weights_of

#: The checkout under test.
ROOT = Path(__file__).parents[2]


class Marker:
    """Pickle that makes a file when it is loaded."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The files of a real checkpoint in a folder of its own; its weights are not looked into."""
    folder = tmp_path / "model"
    ours = shutil.ignore_patterns("*.py", "__pycache__", "*.safetensors")
    shutil.copytree(base_model_folder(), folder, ignore=ours)
    (folder / "model.safetensors").write_bytes(b"")
    return folder


def edit(name: str, **keys: object) -> Callable[[Path], None]:
    """Set keys of a JSON file of the model."""

    def spoil(folder: Path) -> None:
        path = folder / name
        content = json.loads(path.read_text()) if path.is_file() else {}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content | keys))

    return spoil


def write(name: str, content: bytes = b"x") -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)

    return spoil


def link(name: str, target: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target)

    return spoil


def without_safetensors(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Marker(folder / "ran")))


REMOTE = {"AutoProcessor": "mallory/repo--evil.EvilProcessor"}
JSON_FILES = (
    *("config.json", "generation_config.json", "tokenizer_config.json", "special_tokens_map.json"),
    *("processor_config.json", "preprocessor_config.json", "video_preprocessor_config.json"),
    *("chat_template.json", "added_tokens.json", "tokenizer.json", "vocab.json", "sub/deeper/config.json"),
)
KEYS: tuple[dict[str, object], ...] = (
    {"auto_map": REMOTE},
    {"image_processor": {"auto_map": REMOTE}},
    {"list": [[{"video_processor": {"auto_map": REMOTE}}]]},
    {"custom_generate": "mallory/repo"},
    {"custom_pipelines": {"x": {"impl": "evil.Pipe"}}},
    {"trust_remote_code": True},
    {"_target_": "os.system"},
    {"auto_mapping": {"base_model_class": "X", "parent_library": "evil"}},
    {"use_kernels": True},
    {"py/object": "evil.X"},
    {"anything": "mallory/repo--module.Class"},
    {"anything": ["a", ["mallory/repo--module.sub.Class"]]},
    {"attn_implementation": "mallory/kernel"},
    {"text_config": {"attn_implementation": "mallory/kernel@main:forward"}},
    {"_attn_implementation": {"": "sdpa", "vision_config": "flash|mallory/kernel"}},
    {"experts_implementation": "mallory/kernel"},
    {"tokenizer_class": "evil.module.Class"},
    {"processor_class": "../evil"},
    {"image_processor_type": ["Slow", "evil-fast"]},
    {"quantization_config": {"quant_method": "custom"}},
    {"quantization_config": {"quant_method": ["awq"]}},
)


@pytest.mark.parametrize("keys", KEYS, ids=lambda keys: json.dumps(keys)[:40])
def test_a_description_that_names_code_is_refused(model: Path, keys: dict[str, object]):
    edit("config.json", **keys)(model)
    with pytest.raises(ConfigError, match=r"config\.json names code \("):
        check_model_folder(model)


@pytest.mark.parametrize("name", JSON_FILES)
def test_every_description_is_searched_at_any_depth(model: Path, name: str):
    edit(name, deep=[{"deeper": {"auto_map": REMOTE}}])(model)
    with pytest.raises(ConfigError, match=rf"{name} names code \("):
        check_model_folder(model)


SPOILT: dict[str, tuple[Callable[[Path], None], str]] = {
    "pickled weights alone": (without_safetensors, "holds pytorch_model.bin.*safetensors"),
    "pickled weights beside": (write("pytorch_model-00001-of-00002.bin"), "holds pytorch_model-00001"),
    "weights in capitals": (write("PYTORCH_MODEL.BIN"), "holds PYTORCH_MODEL.BIN"),
    "pickle below": (write("original/consolidated.00.pth"), "holds original/consolidated.00.pth"),
    "pickled vocabulary": (write("vocab.pkl"), "holds vocab.pkl"),
    "module": (write("modeling_x.py"), "holds modeling_x.py, which is code"),
    "custom generate": (write("custom_generate/generate.py"), "custom_generate/generate.py, which is code"),
    "compiled module": (write("evil.cpython-311-x86_64-linux-gnu.so"), "which is code"),
    "adapter": (write("adapter_config.json", b"{}"), "is a model and an adapter"),
    "link out": (link("tokenizer.json", "/etc/passwd"), "tokenizer.json is a link out"),
    "link to a device": (link("model.safetensors", "/dev/zero"), "model.safetensors is a link out"),
    "link to nothing": (link("merges.txt", "nowhere"), "merges.txt is a link out"),
    "linked folder": (link("additional_chat_templates", "/etc"), "additional_chat_templates is a link out"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "no .safetensors"),
    "no config": (lambda folder: (folder / "config.json").unlink(), "config.json is missing"),
    "not JSON": (write("config.json", b"{"), "config.json is not JSON"),
    "not text": (write("config.json", '{"auto_map": {"a": 1}}'.encode("utf-16")), "config.json is not JSON"),
    "nested deep": (write("config.json", b'{"a":' * 200_000), "nested too deep"),
    "key twice": (write("config.json", b'{"auto_map": {"A": "e.E"}, "auto_map": null}'), r"\(auto_map\)"),
    "escaped key": (write("config.json", b'{"\\u0061uto_map": {"A": "e.E"}}'), r"\(auto_map\)"),
    "shard outside": (
        write("model.safetensors.index.json", b'{"weight_map": {"a": "../../x.safetensors"}}'),
        "not a safetensors file beside it",
    ),
    "shard that is a pickle": (
        write("model.safetensors.index.json", b'{"weight_map": {"a": "weights.tensors"}}'),
        "not a safetensors file beside it",
    ),
    "shard that is missing": (
        write("model.safetensors.index.json", b'{"weight_map": {"a": "b.safetensors"}}'),
        "not a safetensors file beside it",
    ),
    "index without shards": (write("model.safetensors.index.json", b"{}"), "no weight_map"),
    "no object": (write("generation_config.json", b"[]"), "generation_config.json holds no JSON object"),
}


@pytest.mark.parametrize(("spoil", "message"), SPOILT.values(), ids=SPOILT)
def test_a_folder_that_could_run_code_is_refused(model: Path, spoil: Callable[[Path], None], message: str):
    spoil(model)
    with pytest.raises(ConfigError, match=message):
        checked_model(str(model))
    assert not (model / "ran").exists()


HONEST: dict[str, Callable[[Path], None]] = {
    "as it is": lambda folder: None,
    "papers": write("README.md", b"auto_map: trust me"),
    "empty map": edit("config.json", auto_map=None, trust_remote_code=False),
    "kernels of transformers": edit("config.json", attn_implementation="flash_attention_2"),
    "quantised": edit("config.json", quantization_config={"quant_method": "awq", "bits": 4}),
    "named after a repository": edit("config.json", _name_or_path="Qwen/Qwen2-VL-2B-Instruct"),
    "a vocabulary of odd words": edit("vocab.json", auto_map=7, trust_remote_code=1, _target_=3),
    "state of a trainer": lambda folder: [
        write(name)(folder)  # type: ignore[func-returns-value]
        for name in ("optimizer.pt", "rng_state_0.pth", "training_args.bin", "zero_to_fp32.py", "latest")
    ],
    "parts of DeepSpeed": write("global_step3/mp_rank_00_model_states.pt"),
    "link inside": link("vocab.json", "tokenizer.json"),
}


@pytest.mark.parametrize("prepare", HONEST.values(), ids=HONEST)
def test_an_honest_folder_is_taken(model: Path, prepare: Callable[[Path], object]):
    prepare(model)
    assert "model.safetensors" in checked_model(str(model)).paths


def test_a_snapshot_of_the_hub_cache_is_taken_links_into_its_blobs_included(model: Path, tmp_path: Path):
    repository = tmp_path / "models--a--b"
    snapshot = repository / "snapshots" / ("c" * 40)
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    for path in model.iterdir():
        path.rename(repository / "blobs" / path.name)
        (snapshot / path.name).symlink_to(f"../../blobs/{path.name}")
    assert checked_model(str(snapshot)).folder == snapshot
    (snapshot / "vocab.json").symlink_to("../../../model/nothing")
    with pytest.raises(ConfigError, match=r"vocab\.json is a link out"):
        checked_model(str(snapshot))


@pytest.mark.parametrize("name", ["nothing-here", "no/such/folder", "", "a/b/"])
def test_a_name_that_is_no_model_is_refused_without_the_hub(name: str):
    with pytest.raises(ConfigError, match="no model"):
        checked_model(name)


def test_only_what_describes_a_model_and_safetensors_are_read():
    read = ("config.json", "model-00001-of-00002.safetensors", "chat_template.jinja", "tokenizer.model")
    left = (
        *("modeling_x.py", "pytorch_model.bin", "training_args.bin", "x/config.json", "../config.json"),
        *(
            "config.json\n",
            "custom_generate/generate.py",
            ".safetensors",
            "a.json",
            "optimizer.pt",
            "x.jinja",
        ),
    )
    assert all(map(is_read, read)) and not any(map(is_read, left))


def test_every_call_that_loads_a_model_refuses_code_and_pickles():
    calls = 0
    folders = ("rise_bench", "builders", "trainers", "tasks", "leaderboards", "benchmarks")
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".from_pretrained")):
                continue
            loader = ast.unparse(node.func).split(".")[0]
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            where = f"{path.relative_to(ROOT)}:{node.lineno}"
            if loader.startswith("Auto"):
                assert given.get("trust_remote_code") == "False", where
            if "Model" in loader or "ForConditionalGeneration" in loader:
                assert given.get("use_safetensors") == "True", where
            calls += 1
    assert calls >= 5


def test_weights_that_were_trained_again_are_others(tmp_path: Path) -> None:
    assert weights_of("ORG/NAME") == weights_of("") == weights_of(str(tmp_path)) == {}
    folder = tmp_path / "run" / "sft" / "final"
    shutil.copytree(base_model_folder(), folder)
    before = weights_of(str(folder))
    assert before == weights_of(str(base_model_folder())) != {}
    (weights,) = folder.glob("*.safetensors")
    (tmp_path / "run" / "config.yaml").write_text("stage: sft\n")
    assert weights_of(str(tmp_path / "run")) == before, "a run is its last model"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    assert weights_of(str(folder)).keys() == before.keys() and weights_of(str(folder)) != before
