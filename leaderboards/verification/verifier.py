"""Verification of a submission: from its bytes to a decision with every reason.

The raw responses are scored again; claims must agree to 1e-9. Nothing in a submission is executed, unpickled
or rendered. The report is a function of the bytes, the ground truth and the accepted submissions.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from rise_bench import __version__
from rise_bench.annotations.kinds import KINDS
from rise_bench.annotations.metric import Pool
from rise_bench.data.hub_client import holds_token
from rise_bench.evaluation.responses import is_failed_request
from rise_bench.files.atomic import sha256_bytes
from rise_bench.leaderboards.submissions.reasons import Reason, quoted
from rise_bench.leaderboards.submissions.samples import SAMPLES_NAME, read_samples
from rise_bench.leaderboards.submissions.schema import (
    SUBMISSION_NAME,
    Submission,
    read_submission,
    render_submission,
)
from rise_bench.leaderboards.verification.gold_board import RULES_VERSION, GoldBoard
from rise_bench.leaderboards.verification.suspicion import (
    Fingerprint,
    constancy,
    fingerprint,
    perfection,
    probing,
    resemblance,
)
from rise_bench.prompts.templates import prompt_hash
from rise_bench.scoring.scores import Report, SampleScore, aggregate, collect, score_response

Decision = Literal["accept", "hold", "reject"]

#: Largest difference of a claimed and the recomputed score.
TOLERANCE = 1e-9
#: Decimals of scores on hidden ground truth, of which more would tell single samples.
HIDDEN_DIGITS = 3


@dataclass(frozen=True)
class Verification:
    """Outcome of the verification of a submission.

    Attributes:
        path: Its folder in the results dataset.
        submission: Content of `submission.json`; None if it cannot be read.
        submission_sha256: Hash of `submission.json`.
        samples_sha256: Hash of `samples.jsonl`.
        reasons: Reasons against it.
        report: Recomputed scores, without intervals; None if the responses are incomplete.
        scores: Score of each sample, in order of ids; empty if the responses are incomplete.
        ranking: Samples of the ranking metric; None if the responses are incomplete.
        print_of: Fingerprint, to compare with others.
        decided: Decision of a maintainer on a held submission.
        hidden: Whether the ground truth is hidden: claims were not compared, scores are rounded.
    """

    path: str
    submission: Submission | None
    submission_sha256: str
    samples_sha256: str
    reasons: tuple[Reason, ...]
    report: Report | None = None
    scores: tuple[SampleScore, ...] = field(default=(), repr=False)
    ranking: Pool | None = field(default=None, repr=False)
    print_of: Fingerprint | None = field(default=None, repr=False)
    decided: Decision | None = None
    hidden: bool = False

    @property
    def metrics(self) -> dict[str, float]:
        """Recomputed value by metric, rounded if the ground truth is hidden."""
        values = self.report.metrics if self.report else {}
        return {
            name: round(interval.value, HIDDEN_DIGITS) if self.hidden else interval.value
            for name, interval in values.items()
        }

    @property
    def decision(self) -> Decision:
        """Reject by any reason, else the decision of a maintainer, else hold by any reason."""
        severities = {reason.severity for reason in self.reasons}
        if "reject" in severities:
            return "reject"
        return self.decided or ("hold" if "hold" in severities else "accept")

    @property
    def _may_be_told(self) -> bool:
        """Whether scores may be published: each one against hidden truth tells a little of it."""
        return not self.hidden or self.decision == "accept"

    def to_json(self) -> dict[str, Any]:
        """Return the content of the report, without time and local paths."""
        submission = self.submission
        return {
            "report_version": 1,
            "rules_version": RULES_VERSION,
            "rise_bench": __version__,
            "path": self.path,
            "submission_sha256": self.submission_sha256,
            "samples_sha256": self.samples_sha256,
            "benchmark": submission.benchmark if submission else None,
            "shots": submission.shots if submission else None,
            "model": submission.model.model_dump(mode="json") if submission else None,
            "decision": self.decision,
            "tier": ("hidden-split" if self.hidden else "recomputed") if self.decision == "accept" else None,
            "reasons": [{"code": r.code, "severity": r.severity, "message": r.message} for r in self.reasons],
            "claimed": dict(sorted(submission.metrics.items())) if submission else {},
            "recomputed": dict(sorted(self.metrics.items())) if self._may_be_told else {},
            "reference": self.report.reference if self.report else "",
            "read": self.report.reasons if self.report else {},
            "samples": self.report.samples if self.report else 0,
        }


def render_report(verification: Verification) -> str:
    """Write the report as JSON."""
    return json.dumps(verification.to_json(), indent=2, ensure_ascii=True, sort_keys=True) + "\n"


def verify(
    submission_json: bytes,
    samples_jsonl: bytes,
    boards: Mapping[str, GoldBoard],
    *,
    path: str = "",
    known: Sequence[Fingerprint] = (),
    before: Sequence[Reason] = (),
) -> Verification:
    """Verify the two files of a submission.

    Args:
        submission_json: Bytes of `submission.json`.
        samples_jsonl: Bytes of `samples.jsonl`.
        boards: Ground truth by benchmark.
        path: Folder of the submission in the results dataset.
        known: Accepted submissions to compare with.
        before: Earlier reasons, e.g. of the pull request's tree.
    """
    hashes = sha256_bytes(submission_json), sha256_bytes(samples_jsonl)
    if before and not submission_json and not samples_jsonl:
        return Verification(path, None, *hashes, tuple(before))
    submission, reasons = read_submission(submission_json)
    responses, sample_reasons = read_samples(samples_jsonl)
    reasons = [*before, *reasons, *sample_reasons]
    escaped = render_submission(submission) if submission else b""
    for name, data in ((SUBMISSION_NAME, submission_json + escaped), (SAMPLES_NAME, samples_jsonl)):
        if holds_token(data.decode("utf-8", "replace")):
            message = f"{name} contains what looks like a Hub access token; remove it, then revoke it"
            reasons.append(Reason("holds_token", message))
    outcome = Verification(path, submission, *hashes, ())
    if submission is None:
        return replace(outcome, reasons=tuple(reasons))
    reasons += _samples_file(submission, samples_jsonl)
    board = boards.get(submission.benchmark)
    if board is None:
        known_names = ", ".join(boards)
        reason = Reason("unknown_benchmark", f"{submission.benchmark!r} is not on this board ({known_names})")
        return replace(outcome, reasons=(*reasons, reason))
    reasons += _setting(submission, board)
    reasons += _completeness(responses, board)
    if any(reason.severity == "reject" and reason.code in _UNSCORABLE for reason in reasons):
        return replace(outcome, reasons=tuple(reasons))
    scores = _score(submission, responses, board)
    ranking = collect(board.spec.ranking, board.golds, scores)
    report = aggregate(
        board.spec, board.golds, scores, reference=board.reference, resamples=0, ranking=ranking
    )
    mark = fingerprint(path, submission.model.id, responses, scores, board.golds)
    reasons += [] if board.pin.hidden else _claims(submission, report, board)
    reasons += constancy(mark, scores, board.golds)
    reasons += perfection(board.spec, scores, board.golds, hidden=board.pin.hidden)
    reasons += resemblance(mark, known, hidden=board.pin.hidden)
    reasons += probing(mark, known) if board.pin.hidden else []
    return replace(
        outcome,
        reasons=tuple(reasons),
        report=report,
        scores=scores,
        ranking=ranking,
        print_of=mark,
        hidden=board.pin.hidden,
    )


#: Codes of reasons that prevent scoring.
_UNSCORABLE = frozenset(
    {"bad_line", "duplicate_id", "long_response", "too_large", "too_many_samples", "missing_samples",
     "foreign_samples", "failed_requests", "other_dataset"}
)  # fmt: skip


def _samples_file(submission: Submission, data: bytes) -> list[Reason]:
    if not data:
        return [Reason("missing_samples", f"{SAMPLES_NAME} is empty")]
    stated = submission.samples
    return [
        Reason(
            code, f"{SAMPLES_NAME} has {name} {is_}, {SUBMISSION_NAME} says {claimed}; submit what was scored"
        )
        for code, name, is_, claimed in (
            ("edited_samples", "sha256", sha256_bytes(data), stated.sha256),
            ("samples_count", "lines", data.count(b"\n"), stated.count),
            ("samples_bytes", "bytes", len(data), stated.bytes),
        )
        if is_ != claimed
    ]


def _setting(submission: Submission, board: GoldBoard) -> list[Reason]:
    reasons = []
    dataset, prompt, spec = submission.dataset, submission.prompt, board.spec
    if dataset.content_sha256 != board.pin.asked_sha256:
        reasons.append(
            Reason(
                "other_dataset",
                f"scored on dataset {dataset.content_sha256[:12]}, the board pins "
                f"{board.pin.asked_sha256[:12]} ({board.pin.dataset}); run on that version",
            )
        )
    if dataset.revision and board.pin.revision and dataset.revision != board.pin.revision:
        reasons.append(
            Reason(
                "other_revision",
                f"dataset commit {dataset.revision[:12]}, the board pins "
                f"{board.pin.revision[:12]}; run on that",
            )
        )
    expected = prompt_hash(spec, prompt.answer_format)
    if prompt.prompt_hash != expected:
        reasons.append(
            Reason(
                "other_prompt",
                f"prompt hash {prompt.prompt_hash}, {spec.name} in {prompt.box_unit} has {expected}; "
                "models are compared on the prompts of this version of rise-bench",
            )
        )
    if not KINDS[spec.kind].in_frame and prompt.box_unit != "norm1000":
        reasons.append(Reason("needless_unit", f"{spec.name} has no boxes; leave box_unit at norm1000"))
    return reasons


def _completeness(responses: Mapping[str, str], board: GoldBoard) -> list[Reason]:
    golds = board.by_id
    missing = [sample_id for sample_id in golds if sample_id not in responses]
    foreign = sorted(sample_id for sample_id in responses if sample_id not in golds)
    failed = [sample_id for sample_id, text in responses.items() if is_failed_request(text)]
    return [
        Reason(code, f"{SAMPLES_NAME}: {len(ids)} samples {what}, e.g. {quoted(ids[0])}; {fix}")
        for code, ids, what, fix in (
            ("missing_samples", missing, "are missing", "a run counts only when every sample has a response"),
            ("foreign_samples", foreign, "are not in this test split", "send exactly its samples"),
            ("failed_requests", failed, "are failed requests, not responses", "run them again"),
        )
        if ids
    ]


def _score(submission: Submission, responses: Mapping[str, str], board: GoldBoard) -> tuple[SampleScore, ...]:
    answer_format = submission.prompt.answer_format
    return tuple(score_response(gold, responses[gold.id], answer_format) for gold in board.golds)


def _claims(submission: Submission, report: Report, board: GoldBoard) -> list[Reason]:
    reasons = []
    if board.spec.metric not in submission.metrics:
        reasons.append(
            Reason("no_claim", f"metrics lacks {board.spec.metric!r}, which ranks {board.spec.name}")
        )
    for name, claimed in sorted(submission.metrics.items()):
        if name not in report.metrics:
            expected = ", ".join(sorted(report.metrics))
            reasons.append(
                Reason("unknown_metric", f"metric {quoted(name)} is not one of {expected}; leave it out")
            )
        elif abs(claimed - report.metrics[name].value) > TOLERANCE:
            reasons.append(
                Reason(
                    "claim_differs",
                    f"{name} is claimed as {claimed!r}, the responses give {report.metrics[name].value!r}; "
                    "score the submitted responses with this version of rise-bench",
                )
            )
    return reasons
