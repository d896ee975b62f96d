"""Warning about texts that are drawn at random and come out equal: the server draws otherwise than asked."""

import logging
from collections.abc import Sequence

_PROMPTS = 8

_log = logging.getLogger(__name__)


class EqualTexts:
    """Watches the texts of prompts, and warns once."""

    def __init__(self) -> None:
        """Start without any texts."""
        self._in_a_row = 0
        self._warned = False

    def note(self, texts: Sequence[str]) -> None:
        """Note the texts of a prompt; a single text, or texts that are all empty, say nothing."""
        if self._warned or len(texts) < 2 or not any(texts):
            return
        self._in_a_row = self._in_a_row + 1 if len(set(texts)) == 1 else 0
        if self._in_a_row == _PROMPTS:
            self._warned = True
            _log.warning(
                "%d prompts in a row got equal texts each, which are drawn at random: the server may follow "
                "the generation_config.json of its checkpoint (top_k=1 for Qwen2-VL). Unless the answers are "
                "short and sure, start it with --generation-config vllm (vLLM) or --sampling-defaults openai "
                "(SGLang).",
                _PROMPTS,
            )
