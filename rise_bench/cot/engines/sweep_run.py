"""A sweep on an engine."""

from collections.abc import Callable, Container

from rise_bench.cot.engines.run import run_engine
from rise_bench.cot.engines.settings import EngineSettings
from rise_bench.cot.engines.sweep_work import SweepWork
from rise_bench.cot.engines.work import refusals
from rise_bench.cot.sweep import Swept, record_sampler
from rise_bench.models.loading import EndpointSettings


def sweep_on_engine(
    work: SweepWork,
    engine: EngineSettings,
    endpoints: EndpointSettings,
    before: Container[str],
    *,
    allow_missing: bool,
    progress: Callable[[int], None],
) -> Swept:
    """Sample rollouts for what is left of a sweep.

    Args:
        work: The sweep.
        engine: Settings of the engine.
        endpoints: The model, and its servers if they run already.
        before: Ids that were done before.
        allow_missing: Go on however many samples the model refuses.
        progress: Called with the number of samples just done.

    Raises:
        RiseError: See `run_engine`.
    """
    record_sampler(work.log_folder, endpoints.chat_model.describe())
    run_engine(
        work,
        engine,
        endpoints,
        allow_missing=allow_missing,
        rows_per_sample=work.settings.samples,
        progress=progress,
    )
    done = work.done()
    refused = {uid: reason for uid, reason in refusals(work).items() if work.only is None or uid in work.only}
    return Swept(sum(uid in done and uid not in before for uid, _ in work.places()), refused)
