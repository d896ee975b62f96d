"""Pictures that say where they were taken: published images are the original files, with their EXIF."""

from pathlib import Path

from rise_bench.data.dataset import parquet_rows
from rise_bench.data.manifest import Manifest, checked_file
from rise_bench.data.pictures import pictures_of
from rise_bench.errors import RiseError
from rise_bench.files.images import open_image

#: Tags of EXIF 2.3: the directory of the position, and in it the two numbers.
_GPS, _LATITUDE, _LONGITUDE = 0x8825, 2, 4


def pictures_with_places(root: Path, manifest: Manifest) -> int:
    """Return how many different pictures of a dataset hold a GPS position."""
    if manifest.images != "embed":
        return 0
    column = manifest.benchmark.image_column
    located: set[str] = set()
    for name in manifest.files:
        for row in parquet_rows(checked_file(root, name, manifest), columns=[column, "source_sha256"]):
            if row["source_sha256"] not in located and any(map(_is_located, pictures_of(row))):
                located.add(row["source_sha256"])
    return len(located)


def place_warning(pictures: int) -> str:
    """Say that pictures tell where they were taken."""
    return (
        f"{pictures} picture(s) say in their EXIF where they were taken (GPS), and go out as they are; "
        "remove it from the source and build again if nobody is to know"
    )


def _is_located(picture: bytes) -> bool:
    try:
        with open_image(picture, "picture") as image:
            return {_LATITUDE, _LONGITUDE} <= image.getexif().get_ifd(_GPS).keys()
    except (RiseError, OSError, ValueError, SyntaxError):  # of damaged EXIF
        return False
