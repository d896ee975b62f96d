"""A sampler that answers by a function of the prompt, and counts what it was asked."""

from collections.abc import Callable

from rise_bench.models.sampler import Prompt, TokenCount


class ScriptedModel:
    """Answers with `answer(prompt, number of the sample)`.

    Attributes:
        asked: The prompts, in order.
    """

    def __init__(self, answer: Callable[[Prompt, int], str], *, workers: int = 1, batch_rows: int = 1):
        self.answer, self.workers, self.batch_rows = answer, workers, batch_rows
        self.tokens, self.asked, self.closed = TokenCount(), [], False

    def sample(self, prompts, n, max_tokens):
        self.asked += prompts
        self.tokens.prompt += len(prompts)
        self.tokens.completion += n * len(prompts)
        return [[self.answer(prompt, number) for number in range(n)] for prompt in prompts]

    def describe(self):
        return {"model": "scripted"}

    def close(self):
        self.closed = True
