"""One rank of a sweep as a pipeline of datatrove.

What is private or may change in datatrove is used here, in `answer_cache`, `servers` and `executors` only.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.inference.metrics import MetricsKeeper
from datatrove.pipeline.inference.run_inference import InferenceConfig, InferenceRunner
from datatrove.pipeline.inference.types import ServerError
from datatrove.pipeline.writers.disk_base import DiskWriter

from rise_bench.cot.engines.answer_cache import AnswerCache
from rise_bench.cot.engines.failures import note_failure
from rise_bench.cot.engines.generate_sampler import Generate, GenerateSampler
from rise_bench.cot.engines.servers import SERVERS
from rise_bench.cot.engines.settings import EngineSettings
from rise_bench.cot.engines.work import ENGINE_FOLDER, REFUSED_FOLDER, Work, pending
from rise_bench.cot.row_log import SYNC_S, RowLog, next_attempt, read_rows
from rise_bench.cot.share import Share, claimed
from rise_bench.errors import DataError, PrerequisiteError, RiseError
from rise_bench.models.loading import EndpointSettings
from rise_bench.models.openai_endpoint import ChatModel
from rise_bench.models.sampler import SampleError, TokenCount

#: Samples that a model may refuse before it has answered any.
_PATIENCE = 20
#: Seconds of which datatrove keeps an entry for each request; by default five minutes.
_METRICS_S = 10
#: Option by which a server does not sample by the checkpoint's generation_config.json.
_OWN_SAMPLING = {"vllm": ("generation-config", "vllm"), "sglang": ("sampling-defaults", "openai")}
#: Key of a document for what its rollout returned.
_RESULT = "rollout_results"


class Samples(PipelineStep):
    """Documents of a rank: the id of a sample, and where its pictures are read from."""

    name = "Samples"
    type = "Reader"

    def __init__(self, work: Work) -> None:
        """Read the samples of a work."""
        super().__init__()
        self.work = work

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:  # noqa: ARG002
        """Yield the documents of a rank that are not done."""
        for uid, place in pending(self.work, Share(rank, world_size)):
            yield Document(text="", id=uid, metadata={"place": place})


class LogWriter(DiskWriter):
    """Writer of the log of rows, which survives a kill when a document counts as done."""

    name = "Log of rows"

    def __init__(self, work: Work, *, allow_missing: bool) -> None:
        """Write the log of a work.

        Args:
            work: The work.
            allow_missing: Go on however many samples the model refuses.
        """
        super().__init__(str(work.log_folder), "rank${rank}.jsonl", compression=None)
        self.work, self.allow_missing = work, allow_missing
        self.failure: RiseError | None = None
        self.tokens = TokenCount()
        self._answered = self._refused = 0
        self._begun = any(True for _ in read_rows([work.log_folder]))
        self._logs: dict[str, RowLog] = {}

    def open(self, rank: int) -> None:
        """Prepare the logs of a rank."""
        folders = {"rows": self.work.log_folder, "refused": self.work.log_folder / REFUSED_FOLDER}
        attempt = next_attempt(*folders.values())
        options: dict[str, Any] = {"attempt": attempt, "sync_s": SYNC_S}
        self._logs = {name: RowLog(folder, rank, **options) for name, folder in folders.items()}

    def write(self, document: Document, rank: int = 0, **_: Any) -> None:  # noqa: ARG002
        """Append the rows of a document; what cannot be written is kept in `failure` and stops the rank."""
        (result,) = document.metadata[_RESULT]
        try:
            if "refused" in result:
                self._refused += 1
                self._logs["refused"].append([{"id": document.id, "reason": result["refused"]}])
                hopeless = not self._begun and not self._answered and self._refused >= _PATIENCE
                if hopeless and not self.allow_missing:
                    self.failure = DataError(
                        f"the model refused the first {self._refused} samples: {result['refused']}"
                    )
            else:
                self._answered += 1
                self._logs["rows"].append(self.work.row(row, self.tokens) for row in result["rows"])
        except RiseError as error:
            self.failure = error

    def close(self) -> None:
        """Close the logs."""
        for log in self._logs.values():
            log.close()

    def _write(self, document: dict[str, Any], file_handler: Any, filename: str) -> None:
        """Do nothing; `write` does without datatrove's files."""


async def rollout(
    document: Document, generate: Generate, *, work: Work, writer: LogWriter, model: ChatModel
) -> Mapping[str, Any]:
    """Ask about a sample: all its requests, from the pictures to the reward, are the work's `answer`."""
    if writer.failure is not None:
        raise ServerError(str(writer.failure)) from writer.failure
    try:
        rows = await work.answer(GenerateSampler(generate, model), document.id, document.metadata["place"])
    except SampleError as error:
        return {"refused": str(error)}
    except RiseError as error:
        raise ServerError(str(error)) from error
    return {"rows": list(rows)}


class Rank(InferenceRunner):
    """Runner of a rank: claims its part of the work, asks, and notes why it could not go on."""

    def __init__(
        self, work: Work, settings: EngineSettings, endpoints: EndpointSettings, *, allow_missing: bool
    ) -> None:
        """Prepare a rank; it is started by an executor."""
        options = dict(settings.server_options)
        config = InferenceConfig(
            server_type=settings.server,
            model_name_or_path=endpoints.model,
            model_max_context=int(options.pop("max-model-len", 8192)),
            endpoint_url=next(iter(endpoints.urls), None),
            max_concurrent_generations=endpoints.concurrency,
            max_concurrent_documents=endpoints.concurrency,
            model_kwargs=_flags(settings, options),
        )
        self.writer = LogWriter(work, allow_missing=allow_missing)
        context = {"work": work, "writer": self.writer, "model": endpoints.chat_model}
        super().__init__(rollout, config, self.writer, context, metadata_key=_RESULT)
        self.work, self.settings, self.endpoints = work, settings, endpoints
        self.metrics = MetricsKeeper(window=_METRICS_S)
        self.request_cache = AnswerCache(str(work.log_folder / ENGINE_FOLDER / "cache"))

    def _init_server(self, rank: int) -> Any:
        server = SERVERS[self.settings.server](self.config, rank)
        server.connect(self.endpoints, self.writer.tokens)
        return server

    async def _handle_record(self, *arguments: Any, **options: Any) -> None:
        """Ask about a document.

        datatrove awaits the first task that fails, and forgets others that failed with it. Python would
        report them on collecting garbage, with requests and pictures in their traceback, and in the middle
        of whatever runs then: in 3.11 that breaks a running `ast.parse` (python/cpython#106905).
        """
        if task := asyncio.current_task():
            task.add_done_callback(_seen)
        await super()._handle_record(*arguments, **options)

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> None:
        """Ask for what is left to a rank.

        Raises:
            RiseError: The model cannot be reached, a sample or the log is unusable, or another process does
                the work of this rank.
        """
        try:
            with claimed(self.work.log_folder / ENGINE_FOLDER, Share(rank, world_size), lambda busy: None):  # noqa: ARG005
                self.writer.open(rank)
                super().run(data, rank, world_size)
                if self.writer.failure is not None:
                    raise self.writer.failure
        except Exception as error:
            failure = _of_ours(error)
            note_failure(self.work, rank, failure)
            raise failure from None  # the chain would show requests with their pictures


def _seen(task: asyncio.Task[Any]) -> None:
    """Take the error of a task, so that Python does not report it as never retrieved."""
    if not task.cancelled():
        task.exception()


def _of_ours(error: BaseException) -> RiseError:
    """Return the error of this project that an error of datatrove stands for."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, RiseError):
            return cause
        cause = cause.__cause__
    text = f"{type(error).__name__}: {error}".partition(". Payload:")[0]
    return PrerequisiteError(f"datatrove stopped: {text}. Start the same command again.")


def _flags(settings: EngineSettings, options: Mapping[str, str]) -> dict[str, Any]:
    """Return the options of a server; a bare name is a switch."""
    flags: dict[str, Any] = {name: value or True for name, value in options.items()}
    if settings.server in _OWN_SAMPLING:
        flags.setdefault(*_OWN_SAMPLING[settings.server])
    if settings.server == "vllm":  # datatrove passes --trust-remote-code, which runs code of the checkpoint
        flags.setdefault("trust-remote-code", False)
    return flags


def pipeline(
    work: Work, settings: EngineSettings, endpoints: EndpointSettings, *, allow_missing: bool
) -> Sequence[PipelineStep]:
    """Return the steps of a rank."""
    return [Samples(work), Rank(work, settings, endpoints, allow_missing=allow_missing)]
