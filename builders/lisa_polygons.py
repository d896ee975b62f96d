"""LISA as the segmentation it was: the outlines of ReasonSeg's masks, as `build lisa --kind polygons`."""

from pathlib import Path

from rise_bench.annotations.polygons.values import Polygons
from rise_bench.builders import lisa
from rise_bench.data.build_plan import SourcePlan


def plan(source: Path, *, seed: int = 0) -> SourcePlan:
    """Read the official folders; arguments and errors as those of `lisa.plan`."""
    return lisa.plan(source, seed=seed, kind=Polygons.kind)
