"""Publishing a trained model: what is sent, the card, `.eval_results`."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from rise_bench.annotations.kinds import render_gold
from rise_bench.catalog.benchmarks import BENCHMARKS
from rise_bench.data.dataset import open_dataset
from rise_bench.data.hidden_test import plan_of, split_truth
from rise_bench.data.hub_files import commit_of
from rise_bench.data.writer import write_dataset
from rise_bench.errors import ConfigError, DataError
from rise_bench.evaluation.responses import Responses
from rise_bench.evaluation.score_run import score_run
from rise_bench.hub.model_card import ModelFacts, model_card
from rise_bench.hub.publish import publish
from rise_bench.hub.publish_model import check_safetensors, preview_model, publish_model
from rise_bench.hub.push import Outgoing, push
from rise_bench.hub.run_example import run_facts

from ..support.drawn_data import write_drawn
from ..support.minihub import Minihub
from .conftest import Source

MODEL = "rise/tiny-rise"


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from rise_bench.models.tiny import make_tiny_model

    return make_tiny_model(tmp_path_factory.mktemp("tiny") / "model", "qwen2_vl")


@pytest.fixture
def run(tiny_model: Path, tmp_path: Path) -> Path:
    """A finished run: sft, then grpo, with what trainers leave beside the weights."""
    from rise_bench.trainers.runs.run_folder import RunFolder
    from rise_bench.trainers.settings.config import DataConfig, RunConfig, TrainConfig

    config = TrainConfig(
        stage="rise_r1",
        data=DataConfig(benchmark="/home/me/data/emotion6", shots="4-shot", cots="/home/me/my runs/cots"),
        run=RunConfig(output_dir=str(tmp_path / "run")),
    )
    folder = RunFolder.create(config, prompt_hashes={"think_answer": "abc123"})

    def save(target: str) -> None:
        shutil.copytree(tiny_model, target)
        (Path(target) / "training_args.bin").write_bytes(b"\x80\x04 a pickle")

    folder.save_final("sft", save)
    folder.save_final("grpo", save)
    (folder.final_dir("grpo") / "chat_template.jinja").write_text("{{ 'the grpo model' }}")
    return folder.path


@pytest.fixture
def scores(emotion6: Source, tmp_path: Path) -> Path:
    """What `rise-bench score --json` prints for perfect responses."""
    dataset = open_dataset(emotion6.benchmark)
    texts = {g.id: f"<think>x</think><answer>{render_gold(g)}</answer>" for g in dataset.golds("test")}
    scored = score_run(Responses(Path("responses.jsonl"), texts, {}), dataset, resamples=20)
    path = tmp_path / "scores.json"
    path.write_text(json.dumps(scored.to_json()))
    return path


def test_model_goes_out_as_safetensors_without_pickles(alice: Minihub, run: Path, tiny_model: Path) -> None:
    pushed = publish_model(run, MODEL)
    files = alice.files(MODEL, kind="model")
    assert files["model.safetensors"] == (tiny_model / "model.safetensors").read_bytes()
    assert {"README.md", "recipe.yaml", "config.json", "tokenizer.json"} <= set(files)
    assert not [path for path in files if path.endswith((".bin", ".pt", ".py"))]
    assert files["chat_template.jinja"] == b"{{ 'the grpo model' }}", "the last phase is the model"
    assert pushed.commit == commit_of(MODEL, repo_type="model")
    alice.log.clear()
    assert publish_model(run, MODEL).sent == ()
    assert alice.requests("PUT", ".") == []


def test_published_model_loads_with_transformers(alice: Minihub, run: Path) -> None:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    commit = publish_model(run, MODEL).commit
    model = AutoModelForImageTextToText.from_pretrained(MODEL, revision=commit)
    processor = AutoProcessor.from_pretrained(MODEL, revision=commit)
    assert model.config.model_type == "qwen2_vl"
    assert processor.chat_template == "{{ 'the grpo model' }}"


def test_card_has_recipe_scores_floors_and_data_commit(
    alice: Minihub, run: Path, scores: Path, emotion6: Source
) -> None:
    commit = publish(emotion6.benchmark, "rise/e6").commit
    publish_model(run, MODEL, scores=[scores], datasets=[f"rise/e6@{commit}"])
    files = alice.files(MODEL, kind="model")
    _, head, body = files["README.md"].decode().split("---\n", 2)
    front = yaml.safe_load(head)
    assert (front["base_model"], front["datasets"]) == ("Qwen/Qwen2-VL-2B-Instruct", ["rise/e6"])
    assert front["pipeline_tag"] == "image-text-to-text"
    row = next(line for line in body.splitlines() if line.startswith("| this model |"))
    assert row.split("|")[2].strip().startswith("0.0000 [0.0000, ")
    for part in ("| baseline: train_mean |", f"`rise/e6` at commit `{commit}`", "tau: 0.75", "| torch |"):
        assert part in body
    assert "learning_rate: 2.0e-05" in body
    assert "/home/me" not in body + files["recipe.yaml"].decode()
    assert yaml.safe_load(files["recipe.yaml"])["data"]["benchmark"] == "data/emotion6"


def test_eval_results_name_the_dataset_at_its_commit(
    alice: Minihub, run: Path, scores: Path, emotion6: Source
) -> None:
    from huggingface_hub import parse_eval_result_entries

    commit = publish(emotion6.benchmark, "rise/e6").commit
    publish_model(run, MODEL, scores=[scores], datasets=[f"rise/e6@{commit}"])
    text = alice.files(MODEL, kind="model")[".eval_results/rise-bench--rise--e6.yaml"]
    (entry,) = parse_eval_result_entries(yaml.safe_load(text))
    assert (entry.dataset_id, entry.task_id) == ("rise/e6", "rise_emotion6")
    assert entry.dataset_revision == commit
    assert entry.value == json.loads(scores.read_text())["metrics"]["jsd"]["value"]
    assert entry.notes.startswith("jsd, 4 samples, 95% interval [")
    task = yaml.safe_load(alice.files("rise/e6")["eval.yaml"])["tasks"][0]["id"]
    assert task == entry.task_id, "the dataset's eval.yaml has the task"


def test_two_commits_of_a_dataset_have_their_results_in_one_file(
    alice: Minihub, run: Path, scores: Path, emotion6: Source
) -> None:
    first = publish(emotion6.benchmark, "rise/e6").commit
    second = push("rise/e6", [Outgoing.of("notes.md", b"More.")], title="Notes").commit
    publish_model(run, MODEL, scores=[scores], datasets=[f"rise/e6@{first}", f"rise/e6@{second}"])
    results = alice.files(MODEL, kind="model")[".eval_results/rise-bench--rise--e6.yaml"]
    assert [entry["dataset"]["revision"] for entry in yaml.safe_load(results)] == [first, second]


def test_scores_of_another_dataset_make_no_eval_results(
    alice: Minihub, run: Path, scores: Path, coco_sub: Source
) -> None:
    commit = publish(coco_sub.benchmark, "rise/coco").commit
    publish_model(run, MODEL, scores=[scores], datasets=[f"rise/coco@{commit}"])
    files = alice.files(MODEL, kind="model")
    assert not [path for path in files if path.startswith(".eval_results")]
    assert "(not named on the Hub)" in files["README.md"].decode()


def test_scores_that_are_of_no_test_make_no_eval_results(
    alice: Minihub,
    run: Path,
    scores: Path,
    emotion6: Source,
    tmp_path: Path,
    caplog,
) -> None:
    commit = publish(emotion6.benchmark, "rise/e6").commit
    of_train = tmp_path / "train.json"
    of_train.write_text(json.dumps(json.loads(scores.read_text()) | {"split": "train"}))
    publish_model(run, MODEL, scores=[of_train], datasets=[f"rise/e6@{commit}"])
    files = alice.files(MODEL, kind="model")
    assert not [path for path in files if path.startswith(".eval_results")]
    assert "4 samples of the split `train`, 95%" in files["README.md"].decode()
    assert "scores of the split train of rise/e6: in the card, not in .eval_results" in caplog.text


def test_scores_of_placeholders_are_refused(alice: Minihub, run: Path, scores: Path, tmp_path: Path) -> None:
    moods = write_drawn(tmp_path / "moods", "moods", train=7, test=4)
    private, public = split_truth(plan_of(moods), "secret")
    for plan, name in ((private, "private"), (public, "public")):
        write_dataset(plan, tmp_path / name, workers=1, allow_partial=True)
    hidden = open_dataset(tmp_path / "public")
    of_placeholders = tmp_path / "hidden.json"
    of_placeholders.write_text(json.dumps(json.loads(scores.read_text()) | {"dataset_sha256": hidden.sha256}))
    commit = publish(hidden.root, "rise/hidden").commit
    with pytest.raises(ConfigError, match=r"placeholders.*leave this file of --scores out"):
        publish_model(run, MODEL, scores=[of_placeholders], datasets=[f"rise/hidden@{commit}"])


def test_a_further_test_has_eval_results_of_its_own_task(
    alice: Minihub, run: Path, scores: Path, tmp_path: Path
) -> None:
    counting = write_drawn(tmp_path / "drawn_counting", "drawn_counting", train=7, test=4)
    ood = counting.part("drawn_counting_ood", "ood")
    of_ood = tmp_path / "ood.json"
    of_ood.write_text(json.dumps(json.loads(scores.read_text()) | {"dataset_sha256": ood.sha256}))
    commit = publish(counting.root, "rise/dc").commit
    publish_model(run, MODEL, scores=[of_ood], datasets=[f"rise/dc@{commit}"])
    files = alice.files(MODEL, kind="model")
    (entry,) = yaml.safe_load(files[".eval_results/rise-bench--rise--dc.yaml"])
    tasks = yaml.safe_load(alice.files("rise/dc")["eval.yaml"])["tasks"]
    assert entry["dataset"]["task_id"] == "rise_drawn_counting_ood" in {task["id"] for task in tasks}
    assert "not named on the Hub" not in files["README.md"].decode()


def test_weights_of_an_earlier_version_go_and_what_others_added_stays(alice: Minihub, run: Path) -> None:
    publish_model(run, MODEL)
    stale = ("model-00001-of-00002.safetensors", "model.safetensors.index.json", "adapter_config.json")
    mine = (*stale, ".eval_results/rise-bench--rise--old.yaml")
    others = (".eval_results/others.yaml", "examples.json", "figures/model.safetensors")
    files = [Outgoing.of(path, b"{}") for path in (*mine, *others)]
    push(MODEL, files, title="More", repo_type="model")
    assert set(preview_model(run, MODEL).delete) == set(mine)
    assert set(publish_model(run, MODEL).deleted) == set(mine)
    left = alice.files(MODEL, kind="model")
    assert set(others) <= set(left) and not set(mine) & set(left)


def test_a_model_of_others_is_not_replaced(alice: Minihub, run: Path) -> None:
    push(MODEL, [Outgoing.of("pytorch_model.bin", b"theirs")], title="Theirs", repo_type="model")
    for send in (publish_model, preview_model):
        with pytest.raises(
            ConfigError, match=r"was not published by this command \(pytorch_model.bin\).*another repository"
        ):
            send(run, MODEL)


@pytest.mark.parametrize(
    ("base", "shown"),
    [
        ("/home/me/models/own", "own"),
        ("./models/own", "own"),
        ("~/models/own", "own"),
        ("/home/me/.cache/hub/models--Qwen--Qwen2-VL-7B/snapshots/0123abc", "Qwen/Qwen2-VL-7B"),
        ("Qwen/Qwen2-VL-7B", "Qwen/Qwen2-VL-7B"),
    ],
)
def test_a_card_names_no_folder_as_a_model(alice: Minihub, run: Path, base: str, shown: str) -> None:
    settings = yaml.safe_load((run / "config.yaml").read_text())
    settings["model"]["name"] = base
    (run / "config.yaml").write_text(yaml.safe_dump(settings))
    publish_model(run, MODEL)
    _, head, body = alice.files(MODEL, kind="model")["README.md"].decode().split("---\n", 2)
    assert yaml.safe_load(head).get("base_model") == (shown if "/" in shown else None)
    assert f"`{shown}`, trained with the stage" in body and "/home/me" not in body


def test_preview_sends_nothing(alice: Minihub, run: Path) -> None:
    change = preview_model(run, MODEL)
    assert "model.safetensors" in {file.path for file in change.send}
    assert alice.repos == {}


def test_weights_that_unpickle_are_refused(alice: Minihub, run: Path) -> None:
    folder = run / "grpo" / "final"
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"pytorch_model.bin is a pickle.*safetensors"):
        publish_model(run, MODEL)
    assert alice.repos == {}


def test_a_missing_part_of_the_weights_is_said(alice: Minihub, run: Path) -> None:
    index = {"weight_map": {"a": "model.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (run / "grpo" / "final" / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ConfigError, match="lacks model-00002-of-00002.safetensors"):
        publish_model(run, MODEL)


@pytest.mark.parametrize("damage", ["cut", "garbage", "longer", "empty"])
def test_torn_weights_are_refused(tiny_model: Path, tmp_path: Path, damage: str) -> None:
    good = (tiny_model / "model.safetensors").read_bytes()
    check_safetensors(tiny_model / "model.safetensors")
    bad = {"cut": good[:-1], "garbage": b"\xff" * 100, "longer": good + b"x", "empty": b""}[damage]
    path = tmp_path / "model.safetensors"
    path.write_bytes(bad)
    with pytest.raises(DataError, match="is truncated or not a safetensors file"):
        check_safetensors(path)


def test_what_is_not_a_run_is_said(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no config.yaml; name the run folder"):
        preview_model(tmp_path, MODEL)
    shutil.rmtree(run / "grpo")
    shutil.rmtree(run / "sft")
    with pytest.raises(ConfigError, match="has no finished model"):
        preview_model(run, MODEL)


def test_bad_pins_and_scores_are_said(alice: Minihub, run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'rise/e6@main' pins no dataset"):
        preview_model(run, MODEL, datasets=["rise/e6@main"])
    path = tmp_path / "x.json"
    path.write_text('{"metrics": {}}')
    with pytest.raises(ConfigError, match="is not a scored run .*`rise-bench score --json`"):
        preview_model(run, MODEL, scores=[path])
    with pytest.raises(ConfigError, match="cannot be read as JSON"):
        preview_model(run, MODEL, scores=[tmp_path / "absent.json"])


def test_card_says_base_licence_data_prompt_and_one_answer_of_the_log(
    alice: Minihub, run: Path, emotion6: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is on a benchmark of this machine, and started from the model of another run."""
    from rise_bench.cot.row_log import RowLog

    before = shutil.copytree(run, run.with_name("before"))
    settings = yaml.safe_load((run / "config.yaml").read_text())
    settings["data"]["benchmark"] = str(emotion6.benchmark)
    settings["model"]["name"] = str(before / "grpo" / "final")
    (run / "config.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    gold = open_dataset(emotion6.benchmark).golds("train", "4-shot")[0]
    answers = {0.25: "<think>dull</think>", 0.75: "<think>A raised # arm `x`</think><answer>{}</answer>"}
    log = RowLog(run / "rollouts", 0, attempt="a")
    log.append(
        {"id": gold.id, "step": 1, "group": 0, "reward": reward, "response": text}
        for reward, text in answers.items()
    )
    log.close()
    publish_model(run, MODEL, license_id="apache-2.0")
    _, head, body = alice.files(MODEL, kind="model")["README.md"].decode().split("---\n", 2)
    front = yaml.safe_load(head)
    assert (front["base_model"], front["license"]) == ("Qwen/Qwen2-VL-2B-Instruct", "apache-2.0")
    for part in (
        "Write <think>reasoning</think><answer>JSON</answer>.",
        "the best of them (reward 0.750)",
        answers[0.75],
        render_gold(gold),
        f"licence `{open_dataset(emotion6.benchmark).spec.license}`",
    ):
        assert part in body
    assert "dull" not in body and str(run.parent) not in head + body
    spec = replace(open_dataset(emotion6.benchmark).spec, texts="reference")
    monkeypatch.setitem(BENCHMARKS, spec.name, spec)
    facts = run_facts(run, settings)
    assert facts.spec is not None and facts.example is None, "its texts may not be republished"


@pytest.mark.parametrize(
    ("stage", "reward", "says"),
    [
        ("sft", {}, "to annotate images: it answers `<answer>annotation</answer>`."),
        ("rise_cot", {}, "to explain annotations of images without giving them away"),
        ("visual_rft", {"response_form": "caption"}, "it answers `<summary>task</summary><caption>"),
        ("visual_rft", {}, "it answers `<think>reasoning</think><answer>annotation</answer>`."),
    ],
)
def test_a_card_says_in_which_form_its_model_answers(
    run: Path, stage: str, reward: dict[str, str], says: str
) -> None:
    recipe = yaml.safe_load((run / "config.yaml").read_text()) | {"stage": stage, "reward": reward}
    card = model_card(ModelFacts(MODEL, recipe, {}, [], [], base="a/b"))
    assert says in card.split("## Loading", maxsplit=1)[0]


def test_licence_of_the_shipped_base_model_is_known(alice: Minihub, run: Path) -> None:
    settings = (run / "config.yaml").read_text().replace("Qwen/Qwen2-VL-2B-Instruct", "rise-bench-base")
    (run / "config.yaml").write_text(settings)
    publish_model(run, MODEL)
    _, head, body = alice.files(MODEL, kind="model")["README.md"].decode().split("---\n", 2)
    assert yaml.safe_load(head)["license"] == "mit" and "base_model" not in yaml.safe_load(head)
    assert "`mit`. The terms of the base model `rise-bench-base`" in body
