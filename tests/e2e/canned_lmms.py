"""Script: evaluate fixed answers with lmms-eval, in one process or, under torchrun, in several over gloo.

Usage: canned_lmms.py ANSWERS.json TASKS OUT.json, where ANSWERS maps the id of a sample to a response.
"""

import json
import os
import sys
from pathlib import Path

import torch
import torch.distributed
from lmms_eval.api.model import lmms
from lmms_eval.evaluator import simple_evaluate


class Canned(lmms):
    """A model of lmms-eval that looks its response up."""

    is_simple = True

    def __init__(self, answers: dict[str, str]) -> None:
        super().__init__()
        self.answers = answers
        self.device = torch.device("cpu")

    def generate_until(self, requests: list) -> list[str]:
        texts = []
        for request in requests:
            prompt, _, doc_to_visual, doc_id, task, split = request.args
            document = self.task_dict[task][split][doc_id]
            assert prompt
            assert doc_to_visual(document)[0].mode == "RGB"
            texts.append(self.answers[document["id"]])
        return texts

    def loglikelihood(self, requests: list) -> list[tuple[float, bool]]:
        raise AssertionError("not asked for")

    def generate_until_multi_round(self, requests: list) -> list[str]:
        raise AssertionError("not asked for")


def main(answers: Path, tasks: str, out: Path) -> None:
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if world_size > 1:
        torch.distributed.init_process_group("gloo")
    model = Canned(json.loads(answers.read_text()))
    results = simple_evaluate(
        model=model,
        tasks=tasks.split(","),
        distributed_executor_backend="torchrun" if world_size > 1 else "accelerate",
    )
    if results is not None:
        order = {task: [sample["doc_id"] for sample in results["samples"][task]] for task in tasks.split(",")}
        out.write_text(json.dumps({"results": results["results"], "order": order, "world_size": world_size}))
    if world_size > 1:
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
