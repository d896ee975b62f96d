"""COCO json: boxes and outlines with `score`, and the reason in `attributes`.

FiftyOne, CVAT and Datumaro read it.
"""

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
                for part in run.parts(answer):
                    box_id, (x, y, w, h) = next(box_ids), (round(side, 2) for side in part.box)
                    outline = [round(number, 2) for point in part.outline for number in point]
                    annotation = {
                        "id": box_id,
                        "image_id": image_id,
                        "category_id": ids[part.label],
                        "bbox": [x, y, w, h],
                        "area": round(part.area_px if run.has_outlines else w * h, 2),
                        "iscrowd": 0,
                        "segmentation": [outline] if run.has_outlines else [],
                        "score": part.confidence,
                        "attributes": {"reason": answer.reason},
                    }
                    boxes.write(("\n" if box_id == 1 else ",\n") + json.dumps(annotation))

        yield add
        boxes.seek(0)
        images.write('],\n"annotations": [')
        shutil.copyfileobj(boxes, images)
        images.write("]}\n")
