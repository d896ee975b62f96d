# /// script
# requires-python = ">=3.11"
# dependencies = ["rise-bench[endpoint,train]"]
# ///
"""Annotate the pictures of a folder or of a dataset on the Hub, with a reason and a confidence for each.

With uv, on this machine:

    uv run examples/annotate.py PICTURES --benchmark emotion6 --model ORG/MODEL --out labels

The same on a GPU of the Hub, from and to a dataset there:

    hf jobs uv run --flavor l4x1 --secrets HF_TOKEN examples/annotate.py ORG/PICTURES \
        --benchmark ORG/BENCHMARK --model ORG/MODEL --push ORG/ANNOTATED

Other options go to `rise-bench annotate` as they are: --endpoint, --samples, --categories, --question, ...
"""

import argparse
import io
import json
import subprocess
import sys
from pathlib import Path

#: Format of Pillow -> usual ending of its files; phones write MPO, a JPEG with more pictures behind it.
ENDINGS = {"mpo": "jpg", "jpeg2000": "jp2"}


def main(arguments: list[str] | None = None) -> None:
    """Annotate, and push the result if that is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pictures", help="folder of pictures, or ORG/NAME of a dataset on the Hub")
    parser.add_argument("--split", default="train", help="split of a dataset on the Hub")
    parser.add_argument("--column", default="image", help="its column of pictures")
    parser.add_argument("--limit", type=int, help="number of its pictures; all by default")
    parser.add_argument("--out", type=Path, default=Path("labels"), help="folder of the annotations")
    parser.add_argument("--push", metavar="ORG/NAME", help="dataset on the Hub to write")
    asked, others = parser.parse_known_args(arguments)

    pictures = Path(asked.pictures)
    if pictures.is_dir() and asked.limit is not None:
        parser.error("--limit is for a dataset on the Hub; give a folder with fewer pictures")
    if not pictures.is_dir():
        pictures = fetch(
            asked.pictures, asked.split, asked.column, asked.limit, Path(f"{asked.out}-pictures")
        )
    command = [
        sys.executable,
        "-m",
        "rise_bench",
        "annotate",
        str(pictures),
        "--out",
        str(asked.out),
        *others,
    ]
    if code := subprocess.run(command, check=False).returncode:
        sys.exit(code)
    if asked.push:
        push(pictures, asked.out, asked.push)


def fetch(name: str, split: str, column: str, limit: int | None, folder: Path) -> Path:
    """Write the pictures of a dataset into a folder, as they are stored."""
    from datasets import Image, load_dataset
    from datasets.utils.file_utils import xopen
    from PIL import Image as Pillow

    rows = load_dataset(name, split=split, streaming=True).cast_column(column, Image(decode=False))
    folder.mkdir(parents=True, exist_ok=True)
    for index, row in enumerate(rows if limit is None else rows.take(limit)):
        data = row[column]["bytes"]
        if data is None:  # a file of its own in the repository
            with xopen(row[column]["path"], "rb") as file:
                data = file.read()
        ending = (Pillow.open(io.BytesIO(data)).format or "JPEG").lower()
        (folder / f"{index:07}.{ENDINGS.get(ending, ending)}").write_bytes(data)
    return folder


def push(pictures: Path, labels: Path, name: str) -> None:
    """Send pictures and annotations to the Hub as a dataset."""
    from datasets import Dataset, Image

    rows = []
    for line in (labels / "annotations.jsonl").read_text(encoding="utf-8").splitlines():
        answer = json.loads(line)
        rows.append(
            {
                "image": str(pictures / answer["path"]),
                "annotation": json.dumps(answer["annotation"]),
                "reason": answer["reason"],
                "confidence": answer["confidence"],
            }
        )
    Dataset.from_list(rows).cast_column("image", Image()).push_to_hub(name)


if __name__ == "__main__":
    main()
