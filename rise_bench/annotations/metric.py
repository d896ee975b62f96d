"""Metrics by name."""

from typing import Literal

Metric = Literal["jsd", "accuracy", "ap50"]
