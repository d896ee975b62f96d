"""Export of a CoT dataset in the documented form of other trainers.

| format | for | folder |
|---|---|---|
| `trl` | TRL `SFTTrainer` | parquet: `prompt`, `completion` (conversational), `images` |
| `messages` | LLaMA-Factory, ms-swift | `train.jsonl` of `messages` and `images`, `dataset_info.json` |
| `visual_rft` | Visual-RFT | `DatasetDict` on disk: `image`, `problem`, `solution` |
| `vlm_r1` | VLM-R1 | `train.jsonl` of `conversations`, `images/` |

The first two are targets of SFT; the last two are prompts with a checkable solution. Image files are the
original bytes, but PNG where other programs would show another picture than models see here (EXIF
orientation, transparency).
"""

import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml

from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.annotations.base import Gold
from rise_bench.annotations.boxes.values import MAX_PIXELS, BoxUnit
from rise_bench.catalog.spec import BenchmarkSpec
from rise_bench.cot.dataset import CotDataset, Subset, require_columns
from rise_bench.data.pictures import joined_sha256, pictures_of
from rise_bench.data.replacing import refuse_to_replace_unless
from rise_bench.data.schema import row_to_gold
from rise_bench.errors import ConfigError, DataError
from rise_bench.export.texts import (
    answer_text,
    llama_factory_entry,
    prompt_text,
    readme,
    visual_rft_problem,
    visual_rft_solution,
    vlm_r1_answer,
    vlm_r1_fields,
    vlm_r1_question,
)
from rise_bench.files.atomic import (
    atomic_directory,
    atomic_write_text,
    sha256_bytes,
    sha256_file,
)
from rise_bench.files.images import decode_rgb, is_plain, open_image
from rise_bench.files.locks import scratch_folder
from rise_bench.hub.find import find
from rise_bench.hub.load import say
from rise_bench.prompts.clean_text import clean_cot

if TYPE_CHECKING:
    from datasets import Features

ExportFormat = Literal["trl", "messages", "visual_rft", "vlm_r1"]

_GROUP_ROWS = 50
_TRL_FILE = "data/train-00000-of-00001.parquet"
_SUFFIXES = {b"\xff\xd8": "jpg", b"\x89P": "png", b"GI": "gif", b"RI": "webp", b"BM": "bmp"}


@dataclass(frozen=True, slots=True)
class ExportRow:
    """Row to export.

    Attributes:
        spec: The benchmark.
        gold: Ground truth, boxes in pixels.
        cot: Chain of thought.
        images: File name, shared by equal images, and original bytes of each image.
        answer_format: Format of the answer.
    """

    spec: BenchmarkSpec
    gold: Gold
    cot: str
    images: tuple[tuple[str, bytes], ...]
    answer_format: AnswerFormat


def export(
    name: str | Path,
    out: Path | str,
    form: ExportFormat,
    *,
    config: Subset = "high",
    unit: BoxUnit = "norm1000",
    max_pixels: int = MAX_PIXELS,
    revision: str | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005
) -> int:
    """Write a CoT dataset in another trainer's format; return the number of rows.

    Args:
        name: Folder of a CoT dataset, or its name on the Hub, as in `rise_bench.load`.
        out: Folder to make.
        form: Name of the format.
        config: `high` (reward at least tau) or `default` (all rows).
        unit: Unit of boxes in `trl` and `messages`, that of the model to be trained. `visual_rft` has
            thousandths and `vlm_r1` pixels, as these projects do.
        max_pixels: Largest picture of the trainer's processor, for boxes in `resized_px`.
        revision: Commit, tag or branch on the Hub.
        overwrite: Replace other content of `out`.
        progress: Called with (finished rows, all rows) after each row.

    Raises:
        ConfigError: If it is not a CoT dataset, has no images or no rows, or `out` may not be written.
    """
    source = find(name, config=config, revision=revision)
    folder, manifest = source.folder, source.manifest
    if source.repo_id:
        say(name, source, config)
    if not manifest.holds_cots:
        raise ConfigError(
            f"{name} is a benchmark without chains of thought; make them with `rise-bench collect`"
        )
    if manifest.images == "reference":
        raise ConfigError(
            f"{name} holds no images, and a trainer needs them; run `rise-bench rehydrate {name} --source "
            "DIR` and export the folder that it writes"
        )
    dataset = CotDataset(folder, manifest.benchmark, manifest)
    if form == "visual_rft" and dataset.spec.images_per_row > 1:
        raise ConfigError(
            f"{name} has {dataset.spec.images_per_row} images per row, but Visual-RFT reads one; export "
            "it as trl, messages or vlm_r1"
        )
    wanted = dataset.files(config, "train")
    require_columns(folder, manifest, [name for name in manifest.files if folder / name in wanted])
    total = sum(entry.rows for path, entry in manifest.files.items() if folder / path in wanted)
    if not total:
        raise ConfigError(f"the configuration {config!r} of {name} has no rows; pass --config default")
    answer_format = AnswerFormat(unit=unit, max_pixels=max_pixels)
    if overwrite:
        refuse_to_replace_unless(Path(out), "README.md", ", chains of thought for ")
    with atomic_directory(Path(out), overwrite=overwrite, sources=(folder,)) as work:
        rows = _WRITERS[form](_told(_rows(dataset, config, answer_format), total, progress), work)
        if form == "messages":
            entry = llama_factory_entry(dataset.spec, "train.jsonl")
            atomic_write_text(work / "dataset_info.json", json.dumps(entry, indent=2) + "\n")
        text = readme(form, dataset.spec, config, rows, manifest.content_sha256, answer_format)
        if form == "trl":
            text = _front_matter(sha256_file(work / _TRL_FILE)) + text
        atomic_write_text(work / "README.md", text)
    return rows


def _told(rows: Iterable[ExportRow], total: int, progress: Callable[[int, int], None]) -> Iterator[ExportRow]:
    for done, row in enumerate(rows, 1):
        yield row
        progress(done, total)


def _rows(dataset: CotDataset, config: Subset, answer_format: AnswerFormat) -> Iterator[ExportRow]:
    for row in dataset.rows(config, "train"):
        pictures = pictures_of(row)
        hashes = [sha256_bytes(data) for data in pictures]
        if joined_sha256(hashes) != row["source_sha256"]:
            raise DataError(
                f"{dataset.root}: row {row['id']!r} does not hold the image that its source_sha256 names; "
                "collect again, or ask its publisher"
            )
        gold = row_to_gold(dataset.spec, row)
        # A question may come from a stranger: no placeholder of an image may be in it.
        gold = replace(gold, question=clean_cot(gold.question))
        images = tuple(
            _file(sha256[:32], data, row["id"]) for sha256, data in zip(hashes, pictures, strict=True)
        )
        yield ExportRow(dataset.spec, gold, row["cot"], images, answer_format)


def _file(stem: str, data: bytes, name: str) -> tuple[str, bytes]:
    """Return name and bytes of the file of an image, as all programs show it."""
    with open_image(data, name) as image:
        if is_plain(image):
            return f"{stem}.{_SUFFIXES.get(data[:2], 'img')}", data
    shown = io.BytesIO()
    decode_rgb(data, name).save(shown, "PNG")
    return f"{stem}.png", shown.getvalue()


def _write_trl(rows: Iterable[ExportRow], out: Path) -> int:
    from datasets import Features, Image, List, Value

    turn = List({"role": Value("string"), "content": Value("string")})
    features = Features({"prompt": turn, "completion": turn, "images": List(Image())})
    (out / "data").mkdir()
    return _write_parquet(map(_trl_row, rows), features, out / _TRL_FILE)


def _front_matter(sha256: str) -> str:
    """Return the front matter for `load_dataset`; its hash separates caches of equal folder names."""
    config = {"config_name": "default", "description": f"sha256 {sha256}", "data_files": _TRL_FILE}
    return f"---\n{yaml.safe_dump({'configs': [config]}, sort_keys=False)}---\n\n"


def _trl_row(row: ExportRow) -> dict[str, Any]:
    return {
        "prompt": [{"role": "user", "content": prompt_text(row.spec, row.gold, row.answer_format)}],
        "completion": [{"role": "assistant", "content": answer_text(row.gold, row.cot, row.answer_format)}],
        "images": _files(row),
    }


def _files(row: ExportRow) -> list[dict[str, Any]]:
    return [{"bytes": data, "path": name} for name, data in row.images]


def _marks(row: ExportRow) -> str:
    """Return a place-holder for each image."""
    return "<image>" * len(row.images)


def _write_messages(rows: Iterable[ExportRow], out: Path) -> int:
    def line(row: ExportRow) -> dict[str, Any]:
        return {
            "messages": [
                {"role": "user", "content": _marks(row) + prompt_text(row.spec, row.gold, row.answer_format)},
                {"role": "assistant", "content": answer_text(row.gold, row.cot, row.answer_format)},
            ],
            "images": [f"images/{name}" for name, _ in row.images],
        }

    return _write_jsonl(rows, out, line)


def _write_vlm_r1(rows: Iterable[ExportRow], out: Path) -> int:
    def line(row: ExportRow) -> dict[str, Any]:
        names = [name for name, _ in row.images]
        return {
            "id": row.gold.id,
            "image": names if len(names) > 1 else names[0],
            "conversations": [
                {"from": "human", "value": _marks(row) + vlm_r1_question(row.spec, row.gold)},
                {"from": "gpt", "value": vlm_r1_answer(row.spec, row.gold)},
            ],
            **vlm_r1_fields(row.spec),
        }

    return _write_jsonl(rows, out, line)


def _write_jsonl(rows: Iterable[ExportRow], out: Path, line: Callable[[ExportRow], Mapping[str, Any]]) -> int:
    (out / "images").mkdir()
    written = 0
    with (out / "train.jsonl").open("w", encoding="utf-8") as file:
        for row in rows:
            for name, data in row.images:
                (out / "images" / name).write_bytes(data)
            file.write(json.dumps(line(row), ensure_ascii=False) + "\n")
            written += 1
    return written


def _write_visual_rft(rows: Iterable[ExportRow], out: Path) -> int:
    from datasets import Dataset, DatasetDict, Features, Image, Value

    features = Features({"image": Image(), "problem": Value("string"), "solution": Value("string")})
    with scratch_folder("export") as cache:
        path = cache / "train.parquet"
        written = _write_parquet(map(_visual_rft_row, rows), features, path)
        train = Dataset.from_parquet(str(path), cache_dir=str(cache))
        DatasetDict({"train": train}).save_to_disk(str(out))
    return written


def _visual_rft_row(row: ExportRow) -> dict[str, Any]:
    return {
        "image": _files(row)[0],
        "problem": visual_rft_problem(row.spec, row.gold),
        "solution": visual_rft_solution(row.spec, row.gold),
    }


def _write_parquet(records: Iterator[dict[str, Any]], features: "Features", path: Path) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema, written = features.arrow_schema, 0
    with pq.ParquetWriter(path, schema) as writer:
        while group := list(islice(records, _GROUP_ROWS)):
            writer.write_table(pa.Table.from_pylist(group, schema=schema))
            written += len(group)
    return written


_WRITERS: Mapping[ExportFormat, Callable[[Iterable[ExportRow], Path], int]] = {
    "trl": _write_trl,
    "messages": _write_messages,
    "visual_rft": _write_visual_rft,
    "vlm_r1": _write_vlm_r1,
}
