"""Whole runs through the real lmms-eval, each in a process of its own."""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from scipy.spatial.distance import jensenshannon

from rise_bench.annotations.boxes.values import Boxes
from rise_bench.annotations.distribution.values import Distribution
from rise_bench.evaluation.folder import is_result
from rise_bench.models.tiny import make_tiny_model

from ..support.commands import Command, run_processes
from ..support.openai_server import OpenAIServer, serve
from .conftest import Drawn, Run, Start, finish, stated_probs

TASKS = "rise_moods,rise_scenes"
CANNED = Path(__file__).with_name("canned_lmms.py")


@pytest.fixture(scope="module", autouse=True)
def without_results(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """A run of a model with truncated weights; it goes on beside the first test, which saves its start-up."""
    folder = tmp_path_factory.mktemp("without_results")
    (folder / "truncated").mkdir()
    (folder / "truncated" / "config.json").write_text('{"model_type": "qwen2_vl"}')
    (folder / "truncated" / "model.safetensors").write_bytes(b"\0" * 7)
    model_args = f"pretrained={folder}/truncated,device=cpu,device_map=cpu"
    command = ("rise_bench", "eval", "--tasks", "rise_moods", "--model", "qwen2_vl")
    with start(*command, "--model_args", model_args, "--output_path", folder) as process:
        yield process
        process.kill()


def test_lmms_eval_verbatim_scores_a_tiny_qwen2_vl(
    run: Run, drawn: Drawn, tiny_qwen2_vl: Path, tmp_path: Path
) -> None:
    """`lmms-eval --tasks rise_moods --model … --log_samples`; `rise-bench score` gives the same numbers."""
    model_args = f"pretrained={tiny_qwen2_vl},device=cpu,device_map=cpu"
    done = run(
        *("lmms_eval", "--tasks", TASKS, "--model", "qwen2_vl", "--model_args", model_args),
        *("--gen_kwargs", "max_new_tokens=24", "--log_samples", "--output_path", tmp_path),
        cold=True,
    )
    assert "|rise_moods" in done.stdout, done.stdout + done.stderr
    assert "lmms-eval's qwen2_vl shows images of 3136 to 602112 pixels, but" in done.stderr, done.stderr
    results_file = next(tmp_path.glob("*/*_results.json"))
    results = json.loads(results_file.read_text())
    for dataset, task in ((drawn.moods, "rise_moods"), (drawn.scenes, "rise_scenes")):
        samples = next(tmp_path.glob(f"*/*_samples_{task}.jsonl"))
        scored = run("rise_bench", "score", samples, "--data", dataset.root, "--resamples", "0", "--json")
        assert scored.returncode == 0, scored.stderr
        metrics = json.loads(scored.stdout)["metrics"]
        assert metrics.keys() >= {dataset.spec.metric, "parse_rate", "format_rate"}
        for metric, interval in metrics.items():
            assert results["results"][task][f"{metric},none"] == pytest.approx(interval["value"], abs=1e-9)
        metadata = results["configs"][task]["metadata"]
        assert metadata["dataset_sha256"] == dataset.sha256
        assert re.fullmatch(r"[0-9a-f]{16}", metadata["prompt_hash"])
        assert metadata["versions"]["lmms_eval"].startswith("0.")
        assert len(samples.read_text().splitlines()) == dataset.manifest.counts["test"]


@dataclass(frozen=True)
class Served:
    """Two runs against one server: it dies half-way, then the same command is given again."""

    cut: subprocess.CompletedProcess[str]
    again: subprocess.CompletedProcess[str]
    answered: tuple[int, int]
    prompts: str
    printed: dict


@pytest.fixture(scope="module")
def served(run: Run, drawn: Drawn, tmp_path_factory: pytest.TempPathFactory) -> Served:
    folder = tmp_path_factory.mktemp("served")
    with serve(OpenAIServer(drawn.model(), dies_after=5)) as server:
        command = (
            *("rise_bench", "eval", "--tasks", TASKS, "--model", "openai", "--json"),
            *("--model_args", server.model_args, "--use_cache", folder / "cache", "--output_path", folder),
        )
        cut = run(*command)
        answered = server.answered
        server.dies_after = None
        again = run(*command)
    (kept,) = filter(is_result, folder.glob("*/*/*_results.json"))
    printed = json.loads(kept.read_text())["results"]
    return Served(cut, again, (answered, server.answered), "\n".join(server.prompts), printed)


def test_a_run_whose_server_dies_half_way_is_refused(served: Served) -> None:
    """lmms-eval itself scores the failure texts as answers and exits with 0."""
    assert (served.cut.returncode, served.cut.stdout) == (1, "")
    said = served.cut.stderr.rpartition("error: ")[2]
    assert re.search(r"\d of 8 requests failed .*LMMS_EVAL_REQUEST_FAILED", said), served.cut.stderr


def test_the_same_command_again_asks_only_for_what_failed(served: Served) -> None:
    assert served.again.returncode == 0, served.again.stderr
    assert served.answered == (5, 16)


def test_a_complete_run_has_the_scores_of_scipy_and_cocoeval(served: Served, drawn: Drawn) -> None:
    tasks = json.loads(served.again.stdout)
    _check_moods(drawn, tasks["rise_moods"])
    _check_scenes(drawn, tasks["rise_scenes"])


def test_the_prompt_states_classes_and_the_unit_of_boxes(served: Served) -> None:
    assert "The classes are: anger, disgust" in served.prompts
    assert "in thousandths of the image's width" in served.prompts


def test_two_processes_give_the_same_numbers_as_one(
    run: Run, served: Served, drawn: Drawn, tmp_path: Path
) -> None:
    """To the last bit, although two processes deliver the samples in another order."""
    answers, out = tmp_path / "answers.json", tmp_path / "two.json"
    answers.write_text(json.dumps(drawn.answers()))
    run_processes(CANNED, answers, TASKS, out, env={"RISE_BENCH_DATA": str(drawn.root)})
    two = json.loads(out.read_text())
    assert two["world_size"] == 2
    for task in TASKS.split(","):
        assert two["order"][task] == [0, 2, 4, 6, 1, 3, 5, 7]
        numbers = {name: value for name, value in served.printed[task].items() if "_stderr" not in name}
        assert {name: two["results"][task][name] for name in numbers} == numbers


def _check_moods(drawn: Drawn, scored: dict) -> None:
    golds = sorted(drawn.moods.golds("test"), key=lambda gold: gold.id)
    expected = []
    for index, gold in enumerate(golds):
        assert isinstance(gold.annotation, Distribution)
        distance = jensenshannon(gold.annotation.probs, list(stated_probs(gold).values()))
        expected.append(0.6931471805599453 if index == 3 else distance**2)
    metrics = {name: interval["value"] for name, interval in scored["metrics"].items()}
    assert metrics["jsd"] == pytest.approx(sum(expected) / len(golds), abs=1e-9)
    assert metrics["accuracy"] == metrics["parse_rate"] == metrics["format_rate"] == 7 / 8
    assert scored["reference"] == "train_mean"
    assert scored["reasons"] == {"no_class_numbers": 1, "ok": 7}
    assert scored["floors"].keys() == {"uniform", "train_mean", "majority_class"}
    assert scored["partial"] is False


def _check_scenes(drawn: Drawn, scored: dict) -> None:
    """The same AP from COCOeval itself, fed with the boxes that the server stated."""
    golds = sorted(drawn.scenes.golds("test"), key=lambda gold: gold.id)
    names = sorted({gold.category for gold in golds})
    images, annotations, detections = [], [], []
    for index, gold in enumerate(golds):
        assert isinstance(gold.annotation, Boxes)
        common = {"image_id": index + 1, "category_id": names.index(gold.category) + 1}
        images.append({"id": index + 1, "width": gold.width_px, "height": gold.height_px})
        for box in gold.annotation.xywh:
            area = box[2] * box[3]
            annotations.append(
                {"id": len(annotations) + 1, "bbox": list(box), "area": area, "iscrowd": 0, **common}
            )
            if index != 3 and index % 2:
                detections.append({"bbox": list(box), "score": 1.0, **common})
        if index % 2 == 0:
            stray = [0.2, 0.2, 2.0, 2.0]
            detections += [
                {"bbox": list(box), "score": 1.0, **common} for box in (stray, *gold.annotation.xywh)
            ]
    categories = [{"id": i, "name": name} for i, name in enumerate(names, start=1)]
    truth = COCO()
    truth.dataset = {"images": images, "annotations": annotations, "categories": categories}
    truth.createIndex()
    evaluation = COCOeval(truth, truth.loadRes(detections), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    _, ap50, *_ = evaluation.stats
    assert scored["metrics"]["ap50"]["value"] == pytest.approx(ap50, abs=1e-9)
    assert 0.3 < ap50 < 1
    assert scored["metadata"]["box_unit"] == "norm1000"


def test_a_run_without_results_fails_with_the_reason(without_results: Command) -> None:
    """lmms-eval itself exits with 0 here."""
    done = finish(without_results)
    assert (done.returncode, done.stdout) == (1, "")
    said = done.stderr.rpartition("error: ")[2]
    assert "lmms-eval left 0 results files" in said
    assert "Traceback" not in done.stderr
    assert "Traceback" in Path(re.search(r"Its output is in (\S+)", said)[1]).read_text()


@pytest.mark.slow
def test_qwen2_5_vl_is_asked_in_pixels_of_the_resized_image(run: Run, drawn: Drawn, tmp_path: Path) -> None:
    """The pictures are small: lmms-eval's own limits would enlarge them, those of the checkpoint do not."""
    model = make_tiny_model(tmp_path / "tiny", "qwen2_5_vl")
    model_args = f"pretrained={model},device=cpu,device_map=cpu"
    command = (
        *("rise_bench", "eval", "--tasks", "rise_scenes", "--model", "qwen2_5_vl", "--json", "--limit", "3"),
        *("--gen_kwargs", "max_new_tokens=8", "--output_path", tmp_path, "--model_args"),
    )
    refused = run(*command, f"{model_args},min_pixels=200704")
    assert refused.returncode == 1
    assert "add min_pixels=3136,max_pixels=50176 to --model_args" in refused.stderr
    done = run(*command, model_args)
    assert done.returncode == 0, done.stderr
    scored = json.loads(done.stdout)["rise_scenes"]
    assert (scored["partial"], scored["samples"]) == (True, 3)
    assert scored["metadata"]["box_unit"] == "resized_px"
    lines = Path(scored["samples_file"]).read_text().splitlines()
    assert all("in pixels of the image, which is 224 wide" in json.loads(line)["input"] for line in lines)
