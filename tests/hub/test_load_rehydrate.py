"""Loading by commit and joining images back, with the real clients."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from datasets import Image, load_dataset

import rise_bench
from rise_bench.cot.check import check_folder
from rise_bench.data.hub_files import commit_of
from rise_bench.data.manifest import read_manifest, write_manifest
from rise_bench.errors import ConfigError, DataError, PrerequisiteError
from rise_bench.hub.find import find, repo_of
from rise_bench.hub.publish import publish
from rise_bench.hub.push import Outgoing, push
from rise_bench.hub.rehydrate import MissingImagesError, rehydrate_folder

from ..support.minihub import Minihub
from .conftest import COCO_SUB, Source, build

COTS = "rise-bench/rise-coco-sub-cot"


def test_load_checks_and_says_the_commit(
    alice: Minihub, coco_sub: Source, capsys: pytest.CaptureFixture[str]
) -> None:
    commit = publish(coco_sub.cots, COTS).commit
    cots = rise_bench.load("coco_sub-cot", "high", split="train")
    assert len(cots) == 5
    assert cots[0]["image"].size == (32, 24)
    said = capsys.readouterr().err
    assert f'{COTS}, high: commit {commit} (pin it with revision="{commit}")' in said
    assert set(rise_bench.load("coco_sub-cot")) == {"train"}


def test_high_needs_only_its_own_shards(alice: Minihub, coco_sub: Source) -> None:
    publish(coco_sub.cots, COTS)
    alice.log.clear()
    rise_bench.load(COTS, "high")
    fetched = {request.path.rpartition("/data/")[2] for request in alice.requests("GET", "/data/")}
    assert fetched == {"train-high-00000.parquet"}


def test_load_by_commit_gives_the_old_version_and_needs_no_network_again(
    alice: Minihub, coco_sub: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = publish(coco_sub.cots, COTS).commit
    new = publish(build(tmp_path, COCO_SUB, train=8).cots, COTS).commit
    before = rise_bench.load(COTS, "high", revision=old)
    assert len(before["train"]) == 5
    assert len(rise_bench.load(COTS, revision=new)["train"]) == 8
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    alice.log.clear()
    offline = rise_bench.load(COTS, "high", revision=old)
    assert offline["train"]["id"] == before["train"]["id"]
    for name, revision in (("rise/other", old), (COTS, None), (COTS, "0" * 40)):
        with pytest.raises(PrerequisiteError, match="not in the local Hub cache at that revision"):
            rise_bench.load(name, revision=revision)
    assert alice.log == []


def test_streaming_reads_rows_without_downloading_the_files(alice: Minihub, coco_sub: Source) -> None:
    publish(coco_sub.cots, COTS)
    alice.log.clear()
    rows = rise_bench.load("coco_sub-cot", "high", split="train", streaming=True)
    first = next(iter(rows))
    assert first["reward"] >= 0.75
    assert first["image"].size == (32, 24)
    assert len(list(load_dataset(COTS, split="train", streaming=True, revision=commit_of(COTS)))) == 20


@pytest.mark.parametrize("streaming", [False, True])
def test_a_shard_that_is_not_the_manifests_is_refused(
    alice: Minihub, coco_sub: Source, streaming: bool
) -> None:
    publish(coco_sub.cots, COTS)
    other = (coco_sub.cots / "data" / "train-low-00000.parquet").read_bytes()
    push(COTS, [Outgoing.of("data/train-high-00000.parquet", other)], title="tamper")
    with pytest.raises(DataError, match=r"train-high-00000.parquet of .* its manifest says"):
        rise_bench.load(COTS, "high", split="train", streaming=streaming)


def test_unknown_names_and_configurations_are_named(alice: Minihub, coco_sub: Source) -> None:
    publish(coco_sub.cots, COTS)
    with pytest.raises(DataError, match=r"no dataset 'coco' in .*, or name one of .*coco_sub.*or ORG/NAME"):
        rise_bench.load("coco")
    with pytest.raises(ConfigError, match="no configuration '4-shot'; choose one of high, default"):
        rise_bench.load(COTS, "4-shot")
    with pytest.raises(PrerequisiteError, match="has no such revision"):
        rise_bench.load(COTS, revision="v9")
    with pytest.raises(PrerequisiteError, match="does not exist, or is private"):
        rise_bench.load("rise/nothing")


def test_namespace_of_short_names_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert repo_of("emotion6-cot") == "rise-bench/rise-emotion6-cot"
    monkeypatch.setenv("RISE_BENCH_ORG", "me")
    assert repo_of("imagenet_sub") == "me/rise-imagenet-sub"


def test_private_dataset_loads_with_the_token_only(
    alice: Minihub, coco_sub: Source, sign_in: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(coco_sub.cots, COTS, private=True)
    assert len(rise_bench.load(COTS, "high", split="train")) == 5
    sign_in("hf_mallory")
    with pytest.raises(PrerequisiteError, match="does not exist, or is private"):
        rise_bench.load(COTS, "high")
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(PrerequisiteError, match=r"private or absent.*run `hf auth login`"):
        rise_bench.load(COTS, "high")


def test_a_hub_that_is_down_is_said_and_not_papered_over_by_the_cache(
    alice: Minihub, coco_sub: Source
) -> None:
    publish(coco_sub.cots, COTS)
    rise_bench.load(COTS, "high")
    for how in ({"drop": True}, {"status": 503}):
        alice.spoil("GET", ".", times=100, **how)
        with pytest.raises(PrerequisiteError, match=r"cannot be reached|has trouble \(503\)"):
            rise_bench.load(COTS, "high")
        alice.spoilers.clear()


def test_wrong_token_is_named_as_such(
    alice: Minihub, coco_sub: Source, sign_in: Callable[[str], None]
) -> None:
    publish(coco_sub.cots, COTS)
    sign_in("hf_nonsense")
    with pytest.raises(PrerequisiteError, match=r"the token is not valid \(401\)"):
        rise_bench.load(COTS)


def test_gated_dataset_says_so(alice: Minihub, coco_sub: Source, sign_in: Callable[[str], None]) -> None:
    publish(coco_sub.cots, COTS)
    alice.repos["dataset", COTS].gated = True
    sign_in("hf_mallory")
    with pytest.raises(PrerequisiteError, match="is gated"):
        rise_bench.load(COTS)


@pytest.mark.parametrize("part", ["benchmark", "cots"])
def test_rehydrated_rows_are_the_built_rows(
    alice: Minihub, emotion6: Source, tmp_path: Path, part: str
) -> None:
    """Publish by reference, rehydrate from the raw images: every row is as it was built, byte for byte."""
    publish(getattr(emotion6, part), "rise/e6")
    rows = rise_bench.rehydrate("rise/e6", emotion6.images, out=tmp_path / "out")
    built = load_dataset(str(getattr(emotion6, part)))
    assert {split: len(found) for split, found in rows.items()} == {s: len(f) for s, f in built.items()}
    for split, found in rows.items():
        raw, expected = (d.cast_column("image", Image(decode=False)) for d in (found, built[split]))
        assert raw.to_list() == expected.to_list()
    assert read_manifest(tmp_path / "out").images == "embed"
    assert "Do not publish" in (tmp_path / "out" / "README.md").read_text()


def test_rise_bench_check_finds_nothing_wrong_with_what_was_published_and_rehydrated(
    alice: Minihub, emotion6: Source, coco_sub: Source, tmp_path: Path
) -> None:
    for source, repo in ((emotion6, "rise/reference"), (coco_sub, "rise/embed")):
        publish(source.benchmark, repo)
        assert check_folder(find(repo).folder) == []
    rehydrate_folder("rise/reference", emotion6.images, out=tmp_path / "out")
    assert check_folder(tmp_path / "out") == []


def test_rehydrated_dataset_goes_out_without_images_again(
    alice: Minihub, emotion6: Source, tmp_path: Path
) -> None:
    first = publish(emotion6.benchmark, "rise/e6")
    rehydrate_folder("rise/e6", emotion6.images, out=tmp_path / "out")
    with pytest.raises(ConfigError, match="may not be republished"):
        publish(tmp_path / "out", "rise/e6", embed=True)
    again = publish(tmp_path / "out", "rise/e6")
    assert again.commit == first.commit, "the same files, so there was nothing to send"


def test_rehydrate_finds_moved_and_renamed_images(alice: Minihub, emotion6: Source, tmp_path: Path) -> None:
    publish(emotion6.benchmark, "rise/e6")
    for number, path in enumerate(sorted(emotion6.images.rglob("*.jpg"))):
        ending = ("JPG", "jfif", "jpe")[number % 3]
        target = tmp_path / "pile" / f"IMG_{number}.{ending}"
        target.parent.mkdir(exist_ok=True)
        shutil.copy(path, target)
    rows = rise_bench.rehydrate("rise/e6", tmp_path / "pile", out=tmp_path / "out", config="4-shot")
    raw = rows["test"].cast_column("image", Image(decode=False))
    for row in raw:
        assert hashlib.sha256(row["image"]["bytes"]).hexdigest() == row["source_sha256"]


def test_rehydrate_lists_what_is_missing_and_writes_nothing(
    alice: Minihub, emotion6: Source, tmp_path: Path
) -> None:
    publish(emotion6.benchmark, "rise/e6")
    source = tmp_path / "source"
    shutil.copytree(emotion6.images, source)
    (source / "part1" / "003.jpg").unlink()
    spoilt = source / "part0" / "004.jpg"
    spoilt.write_bytes(spoilt.read_bytes()[:-1])
    with pytest.raises(MissingImagesError, match="2 of 24 images are not in .*--allow-missing") as caught:
        rehydrate_folder("rise/e6", source, out=tmp_path / "out")
    lines = {item.id: str(item) for item in caught.value.missing}
    assert set(lines) == {"emotion6/003", "emotion6/004"}
    assert lines["emotion6/003"].endswith("(not found)")
    assert f"{spoilt} has other bytes" in lines["emotion6/004"]
    assert not (tmp_path / "out").exists()
    assert list(tmp_path.glob(".out*")) == []


def test_rehydrate_goes_on_without_missing_rows_if_asked(
    alice: Minihub, emotion6: Source, tmp_path: Path
) -> None:
    publish(emotion6.benchmark, "rise/e6")
    source = tmp_path / "source"
    shutil.copytree(emotion6.images, source)
    (source / "part1" / "003.jpg").unlink()
    done = rehydrate_folder("rise/e6", source, out=tmp_path / "out", allow_missing=True)
    assert done.manifest.partial
    assert done.manifest.counts == {"train": 19, "test": 4}
    assert done.manifest.content_sha256 != read_manifest(emotion6.benchmark).content_sha256
    assert rise_bench.data.dataset.open_dataset(tmp_path / "out").golds("train")
    ids = load_dataset(str(tmp_path / "out"), split="train")["id"]
    assert "emotion6/003" not in ids
    assert len(ids) == 19
    assert check_folder(tmp_path / "out") == [], "it is whole without that row"


@pytest.mark.parametrize("split", ["train", "test"])
def test_rehydrate_leaves_out_a_split_without_pictures(
    alice: Minihub, emotion6: Source, tmp_path: Path, split: str
) -> None:
    publish(emotion6.benchmark, "rise/e6")
    source = tmp_path / "source"
    source.mkdir()
    hashes = read_manifest(emotion6.benchmark).images_sha256
    wanted = {
        hashes[gold.id] for gold in rise_bench.data.dataset.open_dataset(emotion6.benchmark).golds(split)
    }
    for path in emotion6.images.rglob("*.jpg"):
        if hashlib.sha256(path.read_bytes()).hexdigest() in wanted:
            shutil.copy(path, source)
    done = rehydrate_folder("rise/e6", source, out=tmp_path / "out", allow_missing=True)
    assert set(done.manifest.counts) == {split} and done.manifest.counts[split] == len(wanted)
    assert check_folder(tmp_path / "out") == []
    assert len(load_dataset(str(tmp_path / "out"), split=split)) == len(wanted)


def test_second_rehydration_finds_the_first(
    alice: Minihub, emotion6: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(emotion6.benchmark, "rise/e6")
    rehydrate_folder("rise/e6", emotion6.images, out=tmp_path / "out")
    hashed: list[int] = []
    done = rehydrate_folder(
        "rise/e6", emotion6.images, out=tmp_path / "out", progress=lambda n, of: hashed.append(n)
    )
    assert (done.folder, hashed) == (tmp_path / "out", [])


def test_rehydrate_writes_to_the_cache_where_the_tasks_look(
    alice: Minihub, emotion6: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rise_bench.hub.find import find_benchmark

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    publish(emotion6.benchmark, "rise/e6")
    rehydrate_folder("rise/e6", emotion6.images)
    assert find_benchmark("emotion6").root == tmp_path / "cache" / "rise-bench" / "emotion6"


def test_rehydrate_deletes_no_decisions(alice: Minihub, emotion6: Source, tmp_path: Path) -> None:
    publish(emotion6.benchmark, "rise/e6")
    (out := tmp_path / "out").mkdir()
    (out / "decisions.csv").write_text("id,action\n1,accept\n")
    with pytest.raises(ConfigError, match="1 decision, which would be deleted"):
        rehydrate_folder("rise/e6", emotion6.images, out=out, overwrite=True)
    assert (out / "decisions.csv").is_file()


def test_rehydrate_takes_a_folder_and_refuses_one_with_images(emotion6: Source, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds its images already"):
        rehydrate_folder(emotion6.benchmark, emotion6.images, out=tmp_path / "out")


def test_rows_and_manifest_must_name_the_same_image(alice: Minihub, emotion6: Source, tmp_path: Path) -> None:
    publish(emotion6.benchmark, "rise/e6")
    folder = tmp_path / "downloaded"
    shutil.copytree(find("rise/e6").folder, folder)
    manifest = read_manifest(folder)
    hashes = manifest.images_sha256 | {"emotion6/003": "0" * 64}
    write_manifest(folder, manifest.model_copy(update={"images_sha256": hashes}))
    with pytest.raises(DataError, match="'emotion6/003' and the manifest name different images"):
        rehydrate_folder(folder, emotion6.images, out=tmp_path / "out")


def test_reference_dataset_hints_at_rehydrate(
    alice: Minihub, emotion6: Source, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(emotion6.benchmark, "rise/e6")
    rows = rise_bench.load("rise/e6", "4-shot", split="train")
    assert rows[0]["image"] is None
    assert "rise-bench rehydrate rise/e6 --source DIR" in capsys.readouterr().err
    assert json.loads(alice.files("rise/e6")["manifest.json"])["images"] == "reference"
