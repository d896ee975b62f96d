"""Cards: whatever a question, a name or a note holds, it stays text, and the front matter stays ours."""

import dataclasses
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from datasets.utils.metadata import MetadataConfigs
from huggingface_hub import DatasetCard
from markdown_it import MarkdownIt
from markdown_it.token import Token

from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.cot.rollout_groups import Group
from rise_bench.cot.writer import CotPlan, card
from rise_bench.data.card import write_card
from rise_bench.data.dataset import open_dataset
from rise_bench.data.manifest import read_manifest, write_manifest
from rise_bench.data.writer import write_dataset
from rise_bench.hub.model_card import DatasetPin, ModelFacts, model_card
from rise_bench.hub.publish import stage
from rise_bench.hub.run_example import Example, RunFacts
from rise_bench.rendering.render import render

from ..data.test_hostile_datasets import write_small_cots
from ..support.made_sources import distribution_plan

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "![x](https://evil.example/pixel.png)",
    "<https://evil.example>",
    "see https://evil.example and www.evil.example and me@evil.example",
    "a\n\n# Heading\n\n<div>",
    "a\n---\nlicense: mit\n---\n# Heading",
    "---\nlicense: mit\n---\n",
    "a | b | c",
    "`code` ``two`` ```three```",
    "```\n</code>\n<script>\n```",
    "**bold** _it_ ~~gone~~",
    "1. a list",
    "- a list",
    "> a quote",
    "&lt;script&gt; &#60;b&#62;",
    "[x]: javascript:alert(1)",
    "<!-- hidden",
    "\\<b>\\",
    "\tindented",
    "{{ jinja }} ${math}$",
    "no",
    "!!python/object/apply:os.system ['true']",
    "*anchor: &a",
    "a: b # c",
    "",
)
HARMLESS = {
    "https://arxiv.org/abs/2508.13229",
    "assets/rewards.png",
    *(f"assets/sample-{n}.jpg" for n in range(1, 5)),
}
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def tokens(body: str) -> Iterator[Token]:
    for token in MARKDOWN.parse(body):
        yield token
        yield from token.children or ()


def must_be_plain(text: str, *, headings: set[str]) -> dict[str, Any]:
    """Fail if anything but our own markup takes effect on a card; returns its front matter."""
    content = DatasetCard(text)
    found = list(tokens(content.text))
    kinds = {token.type for token in found}
    assert not kinds & {"html_block", "html_inline", "s_open", "blockquote_open", "ordered_list_open"}
    for token in found:
        for name in ("href", "src"):
            if (address := token.attrGet(name)) is not None:
                assert address in HARMLESS, address
    titles = {after.content for token, after in pairwise(found) if token.type == "heading_open"}
    assert titles == headings
    front: dict[str, Any] = yaml.safe_load(text.split("\n---\n")[0].removeprefix("---\n"))
    return front


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("made")
    write_dataset(distribution_plan(root / "source", train=14, test=3), root / "benchmark", workers=1)
    write_small_cots(root / "benchmark", root / "cots", root / "rollouts")
    return {name: root / name for name in ("benchmark", "cots")}


def with_text(folder: Path, text: str, out: Path) -> Path:
    """A copy of a dataset in which a stranger's text stands wherever a manifest has one."""
    shutil.copytree(folder, out)
    manifest = read_manifest(out)
    names = ("question", "license", "license_note", "source_url", "citation")
    notes = {
        "differences": (text,),
        "drops": {text: (text,)},
        "options": {text: text},
        "versions": {text: text},
    }
    spec = manifest.spec | dict.fromkeys(names, text)
    write_manifest(out, manifest.model_copy(update={"spec": spec, "rows_sha256": None, **notes}))
    return out


BUILT = {"shades", "Loading", "Counts", "Left out of the source", "Baselines", "Source and licence"}
SENT = {"Sample rows", "Images", "Known limits", "Citation"}


@pytest.mark.parametrize("text", HOSTILE)
def test_card_of_a_benchmark(made: dict[str, Path], tmp_path: Path, text: str) -> None:
    folder = with_text(made["benchmark"], text, tmp_path / "out")
    write_card(folder, read_manifest(folder))
    front = must_be_plain((folder / "README.md").read_text(), headings=BUILT)
    assert front["license"] == text
    assert "license_link" not in front


@pytest.mark.parametrize("part", ["benchmark", "cots"])
@pytest.mark.parametrize("text", HOSTILE)
def test_card_of_what_is_published(made: dict[str, Path], tmp_path: Path, part: str, text: str) -> None:
    folder = with_text(made[part], text, tmp_path / "out")
    (tmp_path / "work").mkdir()
    manifest, files = stage(folder, "org/name", tmp_path / "work")
    sent = {file.path: file.source for file in files}["README.md"]
    assert isinstance(sent, bytes)
    cots = {"RISE shades: chains of thought", "Loading", "How it was made", "Rewards", "Source and licence"}
    expected = (BUILT if part == "benchmark" else cots) | SENT
    if part == "benchmark" and not text:
        expected -= {"Citation"}  # of own data without a source
    front = must_be_plain(sent.decode(), headings=expected)
    if part == "benchmark":
        assert front["license"] == text
    configs = MetadataConfigs.from_dataset_card_data(DatasetCard(sent.decode()).data)
    said = {config["description"] for config in configs.values()}
    assert said == {f"files sha256 {manifest.files_sha256}"}


@pytest.mark.parametrize("text", HOSTILE)
def test_card_of_chains_of_thought(made: dict[str, Path], tmp_path: Path, text: str) -> None:
    dataset = open_dataset(made["benchmark"])
    spec = dataclasses.replace(dataset.spec, license=text)
    dataset = dataclasses.replace(dataset, spec=spec)
    group = Group(step=1, attempt="a", rewards=[1.0], path=tmp_path, offset=0)
    plan = CotPlan(dataset, "full", {"a": group}, provenance=lambda group: {"model": text})
    plan = dataclasses.replace(plan, grounded={"a": (0.1, 0.1)}, judge={"model": text})
    written = card(plan, read_manifest(made["cots"]))
    front = must_be_plain(written, headings={"RISE shades: chains of thought"})
    assert front["license"] == text


@pytest.mark.parametrize("text", HOSTILE)
def test_card_of_a_model(text: str) -> None:
    value = {"value": 0.5, "low": 0.4, "high": 0.6}
    score = {
        "benchmark": text,
        "metrics": {"jsd": value},
        "floors": {text: {"metrics": {"jsd": value}}},
        "reference": text,
        "samples": text,
        "dataset_sha256": text,
    }
    spec = BenchmarkSpec(text, "distribution", "jsd", text, (text, "b"), license=text, source_url=text)
    facts = ModelFacts(
        "org/name",
        {"model": {"name": text}, "stage": text, "data": {"benchmark": text, "shots": text}, text: [text]},
        {"versions": {text: text}, "git": {"commit": text, "dirty": True}, "prompt_hashes": {text: text}},
        [score],
        [DatasetPin(text, text, text)],
        base=text,
        license=text,
        of_run=RunFacts(spec, Example(text, text, text, 0.5)),
    )
    headings = {"name", "Loading", "Scores", "Prompt", "Data", "Recipe", "Licence", "Made with"}
    headings |= {"Known limits", "Citation"}
    must_be_plain(model_card(facts), headings=headings)


def test_addresses_of_the_web_stay_links_and_others_do_not(made: dict[str, Path], tmp_path: Path) -> None:
    for number, (address, shown) in enumerate(
        (("https://example.org/a_b?c=d", True), ("javascript:alert(1)", False), ("data:text/html,x", False))
    ):
        folder = tmp_path / str(number)
        write_dataset(distribution_plan(tmp_path / "source", train=2, test=1), folder, workers=1)
        manifest = read_manifest(folder)
        spec = manifest.spec | {"source_url": address, "license": "other"}
        write_card(folder, manifest.model_copy(update={"spec": spec}))
        text = (folder / "README.md").read_text()
        links = {token.attrGet("href") for token in tokens(DatasetCard(text).text)} - {None}
        assert (address in links) is shown
        front = yaml.safe_load(text.split("---\n")[1])
        assert front.get("license_link") == (address if shown else None), "no file that is not there"


@pytest.mark.parametrize("text", HOSTILE)
def test_prompts_and_ids_are_text_on_cards(text: str) -> None:
    """Questions and class names are in the prompts of the sample rows."""
    row = {"id": text, "source_id": text, "license": text, "problem": text, "solution": text}
    cot = row | {"cot": text, "reward": 1.0, "prior_score": 0.5}
    shown = render("sample_rows.md.j2", rows=[(row, ""), (cot, "")])
    must_be_plain(f"---\nlicense: mit\n---\n{shown}", headings=set())
