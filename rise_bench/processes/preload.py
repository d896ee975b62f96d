"""Imports what every training and evaluation imports, for `warm` to start them from.

Importing torch, transformers, TRL and lmms-eval takes 15 to 20 s of a CPU, more than a job of the demo needs
for some of its work.
"""

import contextlib
import gc
import importlib

MODULES = (
    "datasets",
    "peft",
    "torch",
    "torchvision",
    "transformers.models.qwen2_vl",
    "trl.trainer.grpo_trainer",
    "trl.trainer.sft_trainer",
    "lmms_eval.evaluator",
    "lmms_eval.loggers",
)

for name in MODULES:
    with contextlib.suppress(ImportError):  # an extra that is not installed; the job that needs it says so
        importlib.import_module(name)

# Garbage collections, of which a training asks for many, skip these objects from now on; so a job is spared a
# tenth of a second for each, and copies of their pages.
gc.freeze()
