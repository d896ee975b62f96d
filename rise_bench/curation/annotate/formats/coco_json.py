"""COCO json: boxes with `score`, and the reason in `attributes`; what FiftyOne, CVAT and Datumaro read."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from rise_bench.curation.annotate.records import AnnotatedPicture, AnnotationRun
from rise_bench.files.atomic import atomic_text_file

NAME = "coco.json"


@contextmanager
def write(folder: Path, run: AnnotationRun) -> Iterator[Callable[[AnnotatedPicture], None]]:
    """Open `coco.json`; annotations wait in a temporary file until all images are written."""
    ids = {label: number for number, label in enumerate(run.labels, start=1)}
    image_ids, box_ids = count(1), count(1)
    with (
        atomic_text_file(folder / NAME) as images,
        tempfile.TemporaryFile("w+", encoding="utf-8") as boxes,
    ):
        categories = [{"id": number, "name": label} for label, number in ids.items()]
        images.write(f'{{"categories": {json.dumps(categories)},\n"images": [')

        def add(picture: AnnotatedPicture) -> None:
            if not picture.annotated:
                return
            image_id, shown = next(image_ids), picture.picture
            image = {"id": image_id, "file_name": shown.path}
            image |= {"width": shown.width_px, "height": shown.height_px}
            images.write(("\n" if image_id == 1 else ",\n") + json.dumps(image))
            for answer in picture.annotated:
                for label, box, confidence in run.boxes(answer):
                    box_id, (x, y, w, h) = next(box_ids), (round(side, 2) for side in box)
                    annotation = {
                        "id": box_id,
                        "image_id": image_id,
                        "category_id": ids[label],
                        "bbox": [x, y, w, h],
                        "area": round(w * h, 2),
                        "iscrowd": 0,
                        "segmentation": [],
                        "score": confidence,
                        "attributes": {"reason": answer.reason},
                    }
                    boxes.write(("\n" if box_id == 1 else ",\n") + json.dumps(annotation))

        yield add
        boxes.seek(0)
        images.write('],\n"annotations": [')
        shutil.copyfileobj(boxes, images)
        images.write("]}\n")
