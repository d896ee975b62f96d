"""The official layout of Reason-RFT's dataset in small: three records a file."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rise_bench.builders.reason_rft import FILES, Task

from .made_sources import write_photo

OBJECTS = "[('0', 'cube', 'small', 'red', 'metal'), ('1', 'sphere', 'large', 'blue', 'rubber')]"

#: Task -> questions and answers of three rows.
ROWS: dict[Task, Sequence[tuple[str, str]]] = {
    "counting": (
        ("Subtract all red cubes. How many objects are left?", "3"),
        ("How many cyan things are there?", "0"),
        ("Add 2 spheres. How many spheres are there?", "7"),
    ),
    "structure": (
        ("As shown in the figure, AB = 3. Find AC.\nA. 1\nB. 2\nC. 3\nD. 4", "B"),
        ("Find the length of AB.", "12.5"),
        ("Find x.", "60"),
    ),
    "transformation": (
        (f"The attributes of the initial objects are {OBJECTS}.", "change_color(0, blue)"),
        (f"The initial objects: {OBJECTS}", "change_position(1, front_left), change_size(0, large)"),
        (f"Objects: {OBJECTS}", "change_shape(1, cube), change_material(0, glass), change_color(1, gray)"),
    ),
}

COT = "<think>The cube is red at first and blue at last.</think>\n<answer>3</answer>"


def records(task: Task, split: str, seed: int, rows: int = 3) -> list[dict[str, Any]]:
    """Records of a file; the images of row i have the seeds `seed + i` and, if there are two, 500 more."""
    made = []
    for i in range(rows):
        question, answer = ROWS[task][i % 3]
        image: Any = f"{split}_{seed + i}.png"
        if task == "transformation":
            image = [f"{split}_{seed + i}_first.png", f"{split}_{seed + i}_last.png"]
        made.append({"id": f"{split}-{i}", "image": image, "problem": question, "answer": answer})
    return made


def write_images(folder: Path, content: Sequence[dict[str, Any]], seed: int) -> None:
    for i, row in enumerate(content):
        names = [row["image"]] if isinstance(row["image"], str) else row["image"]
        for place, name in enumerate(names):
            write_photo(folder / name, seed + i + 500 * place, (48, 36), form="PNG")


def write_records(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")


def reason_rft(folder: Path, task: Task, rows: int = 3) -> Path:
    """Write the files of a task and its images; training rows have chains of thought with their tags."""
    base = 10_000 * (1 + list(FILES).index(task))  # no two tasks show the same picture
    train = records(task, "train", 1000, rows)
    for row in train:
        row["cot"] = COT
    write_records(folder / "train_jsons" / f"{FILES[task].train}.json", train)
    write_images(folder / "images" / "train_images", train, base + 1000)
    for number, (name, _) in enumerate(FILES[task].tests.values(), 2):
        content = records(task, name.split("-test")[0].lower(), 1000 * number, rows)
        write_records(folder / "test_jsons" / f"{name}.json", content)
        write_images(folder / "images" / "test_images", content, base + 1000 * number)
    return folder
