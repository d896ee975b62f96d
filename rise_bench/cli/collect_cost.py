"""`rise-bench collect --dry-run`: tokens and price of the sweep, without asking the model."""

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import typer

from rise_bench.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Container

    from rise_bench.cot.collect_job import CollectJob
    from rise_bench.cot.cost import Prices, SweepCost

#: Chains of thought whose mean length is taken.
_MEASURED = 200


def prices_of(price_input: float | None, price_output: float | None) -> "Prices | None":
    """Return the prices, if they are given.

    Raises:
        ConfigError: Only one of them is.
    """
    from rise_bench.cot.cost import Prices

    if (price_input is None) != (price_output is None):
        raise ConfigError(
            "a price needs both --price-input and --price-output, of a million tokens each; give both"
        )
    return None if price_input is None or price_output is None else Prices(price_input, price_output)


def print_cost(
    job: "CollectJob",
    *,
    prices: "Prices | None",
    max_pixels: int | None,
    tokens_per_picture: int | None,
    as_json: bool,
) -> None:
    """Print what the sweep of a job will read and write."""
    from rise_bench.cot.collect import covered
    from rise_bench.cot.cost import sweep_cost
    from rise_bench.cot.rollout_groups import groups
    from rise_bench.cot.rollout_log import read_rollouts

    cots = [r.rollout.cot for r in islice(read_rollouts([job.sweep_log]), _MEASURED) if r.rollout.cot]
    kept = job.keep_rollouts or not job.overwrite
    done = covered(job) if kept else set(groups([job.train_log] if job.train_log else []))
    cost = sweep_cost(
        job.benchmark,
        job.settings,
        _rows(job, done),
        rescoring=job.rescoring,
        swept=lambda uid: uid not in done,
        max_pixels=max_pixels,
        tokens_per_picture=tokens_per_picture,
        known_cots=cots,
    )
    if as_json:
        from rise_bench.cli.tables import print_json

        print_json({"out": str(job.out), **cost.to_json(prices)})
    else:
        typer.echo("\n".join(_lines(cost, prices)))


def _rows(job: "CollectJob", done: "Container[str]") -> Iterator[dict[str, Any]]:
    """Yield the rows to sweep, and those that are only reconstructed again."""
    from rise_bench.annotations.kinds import KINDS

    truth = ["id", "width", "height", "question", "category", *KINDS[job.benchmark.spec.kind].columns]
    for row in job.benchmark.rows_of(job.splits, job.config, columns=[*truth, "source_sha256"]):
        known = row["id"] in done
        asked = (known or job.sweeps) if job.rescoring else not known
        if asked and (job.only is None or row["id"] in job.only):
            yield row


def _lines(cost: "SweepCost", prices: "Prices | None") -> Iterator[str]:
    yield f"{cost.samples:,} samples on {cost.pictures:,} pictures: {cost.requests:,} requests, none was sent"
    yield f"input:  {cost.text_tokens:,} tokens of text, {cost.picture_tokens:,} of pictures"
    yield f"        at most {cost.input_tokens_at_most:,} if the server ignores `n`, one text per request"
    measured = "as in the log" if cost.measured else "assumed"
    yield (
        f"output: {cost.answer_tokens:,} tokens with {cost.cot_tokens} per chain of thought ({measured}), at "
        f"most {cost.answer_tokens_at_most:,}"
    )
    read = cost.per_1000_pictures(cost.input_tokens)
    written = cost.per_1000_pictures(cost.answer_tokens)
    yield f"per 1,000 pictures: {read:,.0f} tokens in, {written:,.0f} out"
    if prices is None:
        yield "price: give --price-input and --price-output, of a million tokens each"
        return
    price, most = cost.price(prices), cost.price(prices, at_most=True)
    yield (
        f"price: {price:,.2f}, at most {most:,.2f}; per 1,000 pictures "
        f"{cost.per_1000_pictures(price):,.2f}, at most {cost.per_1000_pictures(most):,.2f}"
    )
