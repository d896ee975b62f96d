"""Pictures of a folder, one at a time; what cannot be annotated is named with the reason."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rise_bench.curation.annotate.records import Picture
from rise_bench.data.image_facts import inspect_image
from rise_bench.errors import ConfigError, DataError
from rise_bench.files.images import IMAGE_ENDINGS, MAX_DECODED_BYTES
from rise_bench.files.plain_text import id_problem
from rise_bench.models.families import MAX_ASPECT_RATIO

#: Endings of files that are meant to be pictures; the last ones are not opened, and named as skipped.
ENDINGS = IMAGE_ENDINGS | {".heic", ".heif", ".jxl", ".jp2", ".dcm"}


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that cannot be annotated, and why."""

    path: str
    why: str


def picture_paths(folder: Path, leave_out: Path) -> Iterator[str]:
    """Yield the paths of the files that are meant to be pictures, sorted in each folder.

    Hidden files and folders are left out, and links to folders are not followed.

    Args:
        folder: Folder of the pictures.
        leave_out: Folder that is not looked into: the results may lie among the pictures.

    Raises:
        ConfigError: If there is no such folder.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder; name the folder of your pictures")
    for root, folders, files in os.walk(folder):
        place = Path(root)
        folders[:] = sorted(n for n in folders if n[0] != "." and (place / n).resolve() != leave_out)
        for name in sorted(files):
            if name[0] != "." and os.path.splitext(name)[1].lower() in ENDINGS:  # noqa: PTH122
                yield (place / name).relative_to(folder).as_posix()


def read_picture(folder: Path, path: str) -> tuple[Picture, bytes] | Skipped:
    """Read a picture and decode it to its end, or say why it cannot be annotated."""
    file = folder / path
    try:
        path.encode()
    except UnicodeEncodeError:
        return Skipped(os.fsencode(path).decode(errors="replace"), "the file name is not UTF-8; rename it")
    if problem := id_problem(path):
        return Skipped(path, f"{problem}; rename it")
    try:
        if not file.resolve().is_relative_to(folder.resolve()):
            return Skipped(path, "a link out of the folder; copy the picture into it")
        if not file.is_file():
            return Skipped(path, "not a file; remove it")
        if (size := file.stat().st_size) > MAX_DECODED_BYTES:
            return Skipped(path, f"{size} bytes, over the limit of {MAX_DECODED_BYTES}; make it smaller")
        data = file.read_bytes()
        facts = inspect_image(data, path)
    except OSError as error:
        return Skipped(path, f"cannot be read ({error.strerror or error}); see to that")
    except DataError as error:
        return Skipped(path, str(error).removeprefix(f"{path}: "))
    short, long = sorted((facts.width_px, facts.height_px))
    if long > MAX_ASPECT_RATIO * short:
        size_px = f"{facts.width_px} x {facts.height_px} px"
        return Skipped(path, f"{size_px}, more than {MAX_ASPECT_RATIO} times as long as wide; cut it")
    return Picture(path, facts.sha256, facts.width_px, facts.height_px), data
