"""Detection of the format of a folder's annotations, and a summary of their contents."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rise_bench.builders.formats.box_csv import read_box_csv
from rise_bench.builders.formats.box_table import BoxTable
from rise_bench.builders.formats.coco_table import read_coco_table
from rise_bench.builders.formats.csv_file import LABEL_COLUMNS, box_columns, csv_header
from rise_bench.builders.formats.cvat import read_cvat
from rise_bench.builders.formats.label_csv import read_label_csv
from rise_bench.builders.formats.label_folders import read_label_folders
from rise_bench.builders.formats.label_studio import read_label_studio
from rise_bench.builders.formats.label_table import LabelTable
from rise_bench.builders.formats.picture_files import files_below, is_picture, picture_file
from rise_bench.builders.formats.picture_index import folder_splits
from rise_bench.builders.formats.problems import Problems
from rise_bench.builders.formats.sniff import find_format
from rise_bench.builders.formats.voc import read_voc
from rise_bench.builders.formats.yolo import read_yolo
from rise_bench.errors import ConfigError, DataError

Table = LabelTable | BoxTable


@dataclass(frozen=True, slots=True)
class Source:
    """Input of a reader.

    Attributes:
        folder: Folder of the pictures.
        annotations: File or folder of the annotations; the folder of the pictures if it is enough.
        classes: Class names in order; empty if the source names them.
        problems: Collects the problems of the source.
    """

    folder: Path
    annotations: Path
    classes: tuple[str, ...]
    problems: Problems


@dataclass(frozen=True, slots=True)
class Detected:
    """Contents of a folder of pictures and annotations.

    Attributes:
        format: "csv", "coco", "yolo", "voc", "label-studio", "cvat" or "folders", as `build custom --format`
            takes it; "" if there are pictures and no annotations.
        kind: Name of the kind of annotation; "" without annotations.
        annotations: File or folder to pass as `--annotations`; None for folders as classes.
        classes: Class -> pictures that show it, in order; for probabilities, pictures where it is highest.
        pictures: Pictures that the annotations name; without annotations, all pictures.
        empty: Pictures without any object; `build custom --keep-empty` keeps them.
        splits: Split -> pictures, if the source names splits.
        left_out: Reason -> rows that `build` would skip.
        problems: Errors that `build` would raise, with file, position and fix; the first 200.
        problem_count: Number of problems.
        unused: Columns of a CSV that are not read.
        notes: Warnings about annotations that may not be true.
    """

    format: str
    kind: str = ""
    annotations: Path | None = None
    classes: Mapping[str, int] = field(default_factory=dict)
    pictures: int = 0
    empty: int = 0
    splits: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    problem_count: int = 0
    unused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def detect(
    source: Path, annotations: Path | None = None, classes: tuple[str, ...] = (), format_name: str = ""
) -> Detected:
    """Look at a folder as `build custom` would read it; problems are gathered, not raised.

    Args:
        source: Folder of the pictures.
        annotations: File or folder of the annotations, relative to `source` unless it exists as given; looked
            for in `source` when None.
        classes: Class names in order, where the source does not name them.
        format_name: Name in `FORMATS`; detected when empty.

    Raises:
        ConfigError: If the format is unknown.
        DataError: If `annotations` is missing or of no known format, or `source` holds no picture.
    """
    name, path = _format(source, annotations, format_name)
    problems = Problems(gather=True)
    if not name:
        count = sum(map(is_picture, files_below(source)))
        if not count:
            raise DataError(f"{source} holds no picture; give the folder that holds them")
        return Detected("", pictures=count)
    table: Table | None = None
    with problems:
        table = _read(name, Source(source, path or source, classes, problems))
    if table is None:
        return Detected(name, annotations=path, problems=(*problems.texts,), problem_count=problems.count)
    for file, where in table.files:
        with problems:
            picture_file(source, file, where)
    return Detected(
        name,
        table.kind,
        path,
        table.class_counts,
        len({file for file, _ in table.files}),
        table.empty,
        dict(Counter(table.splits.values())),
        {reason: len(names) for reason, names in table.drops.items() if names},
        (*problems.texts,),
        problems.count,
        table.unused,
        table.notes,
    )


def read_source(
    source: Path, annotations: Path | None, format_name: str = "", classes: tuple[str, ...] = ()
) -> Table:
    """Read the annotations of a folder.

    Args:
        source: Folder of the pictures.
        annotations: As `detect`.
        format_name: Name in `FORMATS`; detected when empty.
        classes: Class names in order, where the source does not name them.

    Raises:
        ConfigError: If the format is unknown.
        DataError: The first thing that is wrong.
    """
    name, path = _format(source, annotations, format_name)
    return _read(name or "folders", Source(source, path or source, classes, Problems()))


def _format(source: Path, annotations: Path | None, format_name: str) -> tuple[str, Path | None]:
    """Return name and annotations of a stated format, or of the one that is found."""
    if format_name and format_name not in FORMATS:
        raise ConfigError(f"format {format_name!r} is unknown; choose one of {', '.join(FORMATS)}")
    name, path = find_format(source, annotations, sure=bool(format_name))
    return format_name or name, path


def _read(name: str, source: Source) -> Table:
    """Read a source; without splits of its own, folders called train and val (or test) are its splits.

    YOLO and Pascal VOC have such folders as a part of the format, also where one of them is all there is.
    """
    table = FORMATS[name](source)
    splits = {} if table.splits or name == "folders" else folder_splits([file for file, _ in table.files])
    return table.with_splits(splits) if len({*splits.values()}) > 1 else table


def _read_csv(source: Source) -> Table:
    header, classes = csv_header(source.annotations), source.classes
    labels = any(cell.lower() in LABEL_COLUMNS for cell in header)
    if labels and box_columns([name for name in header if name not in classes]):
        return read_box_csv(source.annotations, classes, source.problems)
    return read_label_csv(source.annotations, classes, source.problems)


def _read_coco(source: Source) -> Table:
    if source.classes:
        raise ConfigError("a COCO json has its own classes; drop --classes")
    return read_coco_table(source.folder, source.annotations, source.problems)


def _in_folder(
    read: Callable[[Path, Path, tuple[str, ...], Problems], Table],
) -> Callable[[Source], Table]:
    return lambda source: read(source.folder, source.annotations, source.classes, source.problems)


#: Format -> reader.
FORMATS: dict[str, Callable[[Source], Table]] = {
    "csv": _read_csv,
    "coco": _read_coco,
    "yolo": _in_folder(read_yolo),
    "voc": _in_folder(read_voc),
    "label-studio": _in_folder(read_label_studio),
    "cvat": _in_folder(read_cvat),
    "folders": lambda source: read_label_folders(source.folder, source.classes, source.problems),
}
