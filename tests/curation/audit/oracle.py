"""A model that knows the true labels: it answers images, and only true labels can be reasoned for."""

import re
from dataclasses import dataclass, field

from rise_bench.annotations.kinds import render_gold
from rise_bench.data.pictures import pictures_of
from rise_bench.models.sampler import SampleError

from ...support.drawn_data import picture_key_of


@dataclass
class Oracle:
    """Sampler that answers by picture.

    Attributes:
        truths: Rendered true label by picture (and question, where rows share one).
        dies_after: Prompts after which a call raises, as a killed process would.
        refuses: Pictures that are refused.
        asked: Every prompt: picture and text.
    """

    truths: dict[str, str]
    dies_after: int = 10**9
    refuses: frozenset[str] = frozenset()
    asked: list[tuple[str, str]] = field(default_factory=list)
    workers: int = 1
    batch_rows: int = 4

    @classmethod
    def of(cls, dataset, splits=("train", "test"), **options):
        golds = {gold.id: gold for split in splits for gold in dataset.golds(split)}
        columns = ["id", dataset.spec.image_column]
        rows = [row for split in splits for row in dataset.rows(split, columns=columns)]
        truths = {picture_key_of(pictures_of(row)[0]): render_gold(golds[row["id"]]) for row in rows}
        return cls(truths, **options)

    def sample(self, prompts, n, max_tokens):
        keys = [picture_key_of(prompt.images[0]) for prompt in prompts]
        if refused := self.refuses.intersection(keys):
            raise SampleError(f"refused {refused}")
        if len(self.asked) + len(prompts) > self.dies_after:
            raise KeyboardInterrupt
        self.asked += [(key, prompt.text) for key, prompt in zip(keys, prompts, strict=True)]
        return [[self._text(key, prompt.text)] * n for key, prompt in zip(keys, prompts, strict=True)]

    def _text(self, key, text):
        truth = self.truths[key]
        if given := re.search(r"The correct annotation is (.*)\.\n", text):
            return "It looks just like that." if given[1] == truth else "It looks unlike that."
        if "unlike that" in text:
            return "<answer>nothing</answer>"
        if "Reasoning:" in text or "<think>" not in text:
            return f"<answer>{truth}</answer>"
        return f"<think>I see it.</think><answer>{truth}</answer>"

    def describe(self):
        return {"model": "oracle"}

    def close(self):
        pass
