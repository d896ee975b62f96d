"""ImageNet-Sub: 25 + 10 images of each of 20 ImageNet classes; the ground truth is one class.

Kaggle layout: `ILSVRC/Data/CLS-LOC/train/<wnid>/*.JPEG`, with `LOC_synset_mapping.txt`. Classes are found by
wnid alone: the devkit numbers them by ILSVRC id, which is not the order of the sorted wnids. Grey and CMYK
files are real and are kept as they are. Both splits come from the train folder.
"""

from pathlib import Path

from rise_bench.annotations.distribution.values import Distribution
from rise_bench.catalog.benchmarks import get_benchmark
from rise_bench.data.build_plan import SourcePlan, SourceRow, inside
from rise_bench.data.splits import by_rank, train_share
from rise_bench.errors import DataError

#: Class -> wnid.
WNIDS: dict[str, str] = {
    "analog clock": "n02708093",
    "backpack": "n02769748",
    "ballpoint": "n02783161",
    "Band Aid": "n02786058",
    "barbell": "n02790996",
    "barber chair": "n02791124",
    "beer bottle": "n02823428",
    "beer glass": "n02823750",
    "binoculars": "n02841315",
    "bolo tie": "n02865351",
    "bookcase": "n02870880",
    "bottlecap": "n02877765",
    "brassiere": "n02892767",
    "broom": "n02906734",
    "bucket": "n02909870",
    "buckle": "n02910353",
    "candle": "n02948072",
    "can opener": "n02951585",
    "carton": "n02971356",
    "cellular telephone": "n02992529",
}

TRAIN_PER_CLASS, TEST_PER_CLASS = 25, 10
SYNSETS = "LOC_synset_mapping.txt"
_LAYOUTS = ("ILSVRC/Data/CLS-LOC/train", "Data/CLS-LOC/train", "CLS-LOC/train", "train", ".")
_IMAGE_ENDINGS = {".jpeg", ".jpg", ".png"}


def plan(source: Path, *, seed: int = 0) -> SourcePlan:
    """Choose the images of each class by rank.

    Args:
        source: Folder of `ILSVRC` (Kaggle), of `train`, or of the class folders.
        seed: Seed of the choice.

    Raises:
        DataError: If there is no class folder, or the synset mapping contradicts the class table.
    """
    spec = get_benchmark("imagenet_sub")
    root = _class_folders(source)
    _check_synsets(inside(source, source / SYNSETS))
    train: list[SourceRow] = []
    test: list[SourceRow] = []
    short: dict[str, int] = {}
    for index, name in enumerate(spec.classes):
        one_hot = Distribution(spec.classes, tuple(float(i == index) for i in range(len(spec.classes))))
        files = _images(root / WNIDS[name])
        chosen = by_rank(seed, spec.name, sorted(files))[: TRAIN_PER_CLASS + TEST_PER_CLASS]
        if len(chosen) < TRAIN_PER_CLASS + TEST_PER_CLASS:
            short[f"{name} ({WNIDS[name]})"] = len(chosen)
        rows = [
            SourceRow(
                f"imagenet_sub/{stem}", stem, inside(source, files[stem]), one_hot, where=f"class {name}"
            )
            for stem in chosen
        ]
        cut = train_share(len(rows), TRAIN_PER_CLASS, TEST_PER_CLASS)
        train += rows[:cut]
        test += rows[cut:]
    return SourcePlan(spec, train=train, test=test, shortfalls=_shortfalls(short))


def _shortfalls(short: dict[str, int]) -> list[str]:
    if not short:
        return []
    names = ", ".join(f"{name}: {count}" for name, count in short.items())
    need = TRAIN_PER_CLASS + TEST_PER_CLASS
    return [f"{len(short)} classes have fewer than the {need} images that are needed ({names})"]


def _class_folders(source: Path) -> Path:
    for layout in _LAYOUTS:
        root = source / layout
        if any((root / wnid).is_dir() for wnid in WNIDS.values()):
            return root
        if any((root / f"{wnid}.tar").is_file() for wnid in WNIDS.values()):
            raise DataError(f"{root} holds packed classes; unpack each n*.tar into a folder of its name")
    raise DataError(
        f"{source} has no class folder like {next(iter(WNIDS.values()))}, directly or under {_LAYOUTS[0]}; "
        "give the folder of the Kaggle download as --source"
    )


def _images(folder: Path) -> dict[str, Path]:
    """Return the images of a class by their stem."""
    if not folder.is_dir():
        return {}
    return {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in _IMAGE_ENDINGS}


def _check_synsets(path: Path) -> None:
    """Compare the class table with the synset mapping of the source, if any."""
    if not path.is_file():
        return
    names: dict[str, list[str]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        wnid, _, rest = line.strip().partition(" ")
        if wnid and not rest:
            raise DataError(f"{path} line {number}: {line!r} is not 'wnid names'; get the file again")
        names[wnid] = [name.strip() for name in rest.split(",")]
    for name, wnid in WNIDS.items():
        if name not in names.get(wnid, []):
            raise DataError(
                f"{path}: {wnid} is {names.get(wnid)}, expected {name!r}; use the mapping of ILSVRC 2012-2017"
            )
