"""ImageNet-Sub: 20 classes found by wnid, 25 + 10 images each, whatever the files are."""

import shutil
from pathlib import Path

import pytest

from rise_bench.builders import imagenet_sub as builder
from rise_bench.builders.imagenet_sub import WNIDS
from rise_bench.catalog.benchmarks import get_benchmark
from rise_bench.data.check import check_dataset
from rise_bench.data.dataset import open_dataset
from rise_bench.data.writer import write_dataset
from rise_bench.errors import DataError

from ..support.made_sources import imagenet, photo

CLASSES = get_benchmark("imagenet_sub").classes


def test_every_class_has_its_wnid() -> None:
    assert tuple(WNIDS) == CLASSES
    assert len(set(WNIDS.values())) == 20


def test_wnids_are_those_of_the_official_mapping(shared_data: Path) -> None:
    lines = (shared_data / "imagenet" / "LOC_synset_mapping.txt").read_text().splitlines()
    official = {line[:9]: line[10:].split(", ") for line in lines}
    for name, wnid in WNIDS.items():
        assert name in official[wnid]


def test_full_source_has_the_paper_s_counts(tmp_path: Path) -> None:
    plan = builder.plan(imagenet(tmp_path / "train", per_class=37))
    manifest = write_dataset(plan, tmp_path / "out")
    assert manifest.counts == manifest.paper_counts == {"train": 500, "test": 200}
    assert manifest.differences == ()
    assert not manifest.partial
    dataset = open_dataset(tmp_path / "out")
    for split, per_class in (("train", 25), ("test", 10)):
        labels = [gold.annotation.probs.index(1.0) for gold in dataset.golds(split)]
        assert [labels.count(i) for i in range(20)] == [per_class] * 20
    assert [len(dataset.golds("train", config)) for config in ("4-shot", "16-shot")] == [80, 320]
    assert check_dataset(tmp_path / "out") == []


@pytest.mark.parametrize("layout", ["ILSVRC/Data/CLS-LOC/train", "CLS-LOC/train", "train", "."])
def test_layouts(tmp_path: Path, layout: str) -> None:
    imagenet(tmp_path / layout, per_class=2)
    rows = builder.plan(tmp_path).rows
    assert len(rows) == 40
    assert {row.id for row in rows if "n02786058" in row.id} == {
        "imagenet_sub/n02786058_0",
        "imagenet_sub/n02786058_1",
    }


def test_real_photos_and_their_synsets(tmp_path: Path, shared_data: Path) -> None:
    """One of the 20 official photos is grey; the mapping file lies beside them."""
    plan = builder.plan(shared_data / "imagenet")
    assert len(plan.train) == 20
    assert "20 classes have fewer than the 35 images that are needed" in plan.shortfalls[0]
    manifest = write_dataset(plan, tmp_path / "out", allow_partial=True)
    assert manifest.partial
    assert check_dataset(tmp_path / "out") == []


def test_stand_in_of_30_a_class(tmp_path: Path, shared_data: Path) -> None:
    plan = builder.plan(shared_data / "imagenet" / "standin_full")
    manifest = write_dataset(plan, tmp_path / "out", allow_partial=True)
    assert manifest.counts["train"] + manifest.counts["test"] == 599
    assert check_dataset(tmp_path / "out") == []


def test_grey_cmyk_and_png_files_pass_untouched(tmp_path: Path) -> None:
    source = imagenet(tmp_path / "train", per_class=1)
    odd = {
        "n02708093": photo(1, mode="L"),
        "n02769748": photo(2, mode="CMYK"),
        "n02783161": photo(3, form="PNG"),  # called .JPEG, as one of the official files is
    }
    for wnid, data in odd.items():
        (source / wnid / f"{wnid}_0.JPEG").write_bytes(data)
    write_dataset(builder.plan(source), tmp_path / "out", allow_partial=True)
    stored = {row["source_id"]: row["image"]["bytes"] for row in open_dataset(tmp_path / "out").rows("train")}
    for wnid, data in odd.items():
        assert stored[f"{wnid}_0"] == data
    assert check_dataset(tmp_path / "out") == []


def test_other_files_in_a_class_folder_are_no_images(tmp_path: Path) -> None:
    source = imagenet(tmp_path / "train", per_class=1)
    (source / "n02708093" / "urls.txt").write_text("x")
    assert len(builder.plan(source).rows) == 20


def test_missing_class_folder_is_a_shortfall(tmp_path: Path) -> None:
    source = imagenet(tmp_path / "train", per_class=35)
    shutil.rmtree(source / "n02786058")
    [shortfall] = builder.plan(source).shortfalls
    assert "Band Aid (n02786058): 0" in shortfall


@pytest.mark.parametrize(
    ("mapping", "problem"),
    [
        ("n02708093 backpack, back pack", "n02708093 is .*expected 'analog clock'"),
        ("n02708093", "line 1.*is not 'wnid names'"),
    ],
)
def test_mapping_that_contradicts_the_table_is_an_error(tmp_path: Path, mapping: str, problem: str) -> None:
    """The devkit numbers classes otherwise than the sorted wnids; a mapping of another release would too."""
    imagenet(tmp_path / "train", per_class=1)
    (tmp_path / "LOC_synset_mapping.txt").write_text(mapping + "\n")
    with pytest.raises(DataError, match=rf"LOC_synset_mapping\.txt.*{problem}"):
        builder.plan(tmp_path)


def test_wrong_layout_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no class folder like n02708093"):
        builder.plan(tmp_path)
    (tmp_path / "n02708093.tar").write_bytes(b"")
    with pytest.raises(DataError, match="unpack each"):
        builder.plan(tmp_path)
