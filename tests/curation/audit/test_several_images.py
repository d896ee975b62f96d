"""An audit of rows with two pictures: both are asked about, and people see them side by side."""

import base64
import io
import re

import pytest
from PIL import Image

from rise_bench.curation.audit.label_studio import PICTURES_NAME, write_tasks
from rise_bench.curation.audit.model import AskedModel
from rise_bench.curation.audit.output import review_item, write_output
from rise_bench.curation.audit.relabel import Change, write_copy
from rise_bench.curation.audit.run import Audit, run_audit
from rise_bench.curation.queue import ReviewQueue
from rise_bench.data.check import check_dataset
from rise_bench.data.dataset import open_dataset
from rise_bench.data.pictures import pictures_of

from ...support.drawn_data import write_drawn
from .oracle import Oracle

BOTH_PX = (224 + 8 + 224, 224)


@pytest.fixture(scope="module")
def changes(tmp_path_factory):
    return write_drawn(tmp_path_factory.mktemp("audit") / "drawn_changes", "drawn_changes", train=16, test=4)


def size_of(encoded):
    with Image.open(io.BytesIO(encoded)) as image:
        return image.size


def test_planted_errors_come_first_and_pages_show_both_pictures(changes, tmp_path, monkeypatch):
    oracle = Oracle.of(changes)
    seen = []
    answer = oracle.sample
    oracle.sample = lambda prompts, *more: seen.extend(prompts) or answer(prompts, *more)
    monkeypatch.setattr(AskedModel, "open", lambda model, sampling: oracle)
    model = AskedModel("oracle")
    audit = Audit(
        changes,
        tmp_path,
        ("train", "test"),
        answerer=model,
        samples=1,
        reasoner=model,
        rollouts=1,
        planted=0.25,
    )
    audited = run_audit(audit)
    write_output(audit, audited)
    assert {len(prompt.images) for prompt in seen} == {2}
    assert {row.gold.id for row in audited.rows[: len(audited.errors)]} == audited.errors.keys() != set()
    queue = ReviewQueue(tmp_path)
    assert size_of(queue.image_bytes(queue.item(0))) == BOTH_PX
    page = (tmp_path / "audit.html").read_text(encoding="utf-8")
    shown = [size_of(base64.b64decode(t)) for t in re.findall(r"image/jpeg;base64,([A-Za-z0-9+/=]+)", page)]
    assert shown and {round(width / height, 1) for width, height in shown} == {2.0}
    write_tasks(
        tmp_path, audited, [review_item(row, audited.dataset.spec, out_of_fold=True) for row in audited.rows]
    )
    assert {size_of(path.read_bytes()) for path in (tmp_path / PICTURES_NAME).iterdir()} == {BOTH_PX}


def test_a_copy_keeps_both_pictures_and_the_further_test(changes, tmp_path):
    golds = changes.golds("ood")
    write_copy(changes, tmp_path / "copy", Change({golds[0].id: golds[1].annotation}))
    copy = open_dataset(tmp_path / "copy")
    assert check_dataset(copy.root) == []
    assert copy.manifest.counts == changes.manifest.counts == {"train": 16, "test": 4, "ood": 4}
    pictures = [[pictures_of(row) for row in of.rows("ood")] for of in (changes, copy)]
    assert pictures[0] == pictures[1] and all(len(of_row) == 2 for of_row in pictures[0])
    assert copy.golds("ood")[0].annotation == golds[1].annotation
