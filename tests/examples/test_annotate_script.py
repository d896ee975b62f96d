"""examples/annotate.py: its declared environment, and a run from a dataset of the Hub to another one."""

import importlib.util
import json
import re
import tomllib
from pathlib import Path

import pytest
from datasets import Dataset, Image, load_dataset
from packaging.requirements import Requirement
from PIL import Image as Pillow

from ..support.openai_server import OpenAIServer, serve


@pytest.fixture(scope="module")
def script(root: Path):
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("annotate_example", root / "examples" / "annotate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_script_declares_what_it_needs(root: Path) -> None:
    """PEP 723: a comment block of TOML, with extras that exist and the Python of the project."""
    text = (root / "examples" / "annotate.py").read_text()
    (block,) = re.findall(r"^# /// script\n((?:#.*\n)+)# ///$", text, re.MULTILINE)
    declared = tomllib.loads(re.sub(r"^# ?", "", block, flags=re.MULTILINE))
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert declared["requires-python"] == project["requires-python"]
    (needed,) = map(Requirement, declared["dependencies"])
    assert needed.name == project["name"]
    assert {"endpoint"} <= needed.extras <= project["optional-dependencies"].keys()


def test_from_a_dataset_of_the_hub_to_an_annotated_one(script, alice, tmp_path, monkeypatch) -> None:
    paths = []
    for number in range(3):
        paths.append(str(tmp_path / f"{number}.png"))
        Pillow.new("RGB", (100, 50), (80 * number, 0, 0)).save(paths[-1])
    Dataset.from_dict({"image": paths}).cast_column("image", Image()).push_to_hub("alice/pictures")
    monkeypatch.chdir(tmp_path)
    model = OpenAIServer(
        lambda key, prompt: "<think>It fills the left.</think><answer>[[0, 0, 500, 1000]]</answer>"
    )
    with serve(model) as server:
        url = f"http://127.0.0.1:{server.port}/v1"
        others = ["--model", url, "--benchmark", "coco_sub", "--categories", "cat"]
        script.main(["alice/pictures", "--limit", "2", "--push", "alice/annotated", *others])
    rows = load_dataset("alice/annotated", split="train")
    assert rows.num_rows == 2 and rows[0]["image"].size == (100, 50)
    assert rows["reason"][:] == ["It fills the left."] * 2
    assert json.loads(rows[0]["annotation"])
    assert len(list(Path("labels-pictures").iterdir())) == 2


def test_pictures_that_are_files_of_their_own_are_fetched(script, tmp_path, monkeypatch) -> None:
    """On the Hub such a row has a path and no bytes; phones write MPO, which is a JPEG."""
    (folder := tmp_path / "pictures").mkdir()
    shots = [Pillow.new("RGB", (100, 50), colour) for colour in ("red", "blue")]
    shots[0].save(folder / "a.jpg", "MPO", save_all=True, append_images=shots[1:])
    shots[1].save(folder / "b.png")
    monkeypatch.chdir(tmp_path)
    fetched = script.fetch(str(folder), "train", "image", None, tmp_path / "out")
    assert sorted(path.name for path in fetched.iterdir()) == ["0000000.jpg", "0000001.png"]
    with pytest.raises(SystemExit):
        script.main([str(folder), "--limit", "1"])


def test_a_command_that_fails_ends_the_script(script, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pictures").mkdir()
    with pytest.raises(SystemExit, match="1"):
        script.main(
            ["pictures", "--benchmark", "nothing", "--model", "http://127.0.0.1:9/v1", "--push", "a/b"]
        )
