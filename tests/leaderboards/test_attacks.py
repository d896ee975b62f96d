"""Every attack on the board that we could think of, and the reason for which each is refused.

One entry is one kind of attack; `kinds` counts them. An attacker is assumed to know the code: unless the
point is sloppiness, sizes and hashes are made to fit again after the change (`reseal`).
"""

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from rise_bench.annotations.answer_format import AnswerFormat
from rise_bench.annotations.kinds import render_gold
from rise_bench.leaderboards.submissions.samples import MAX_RESPONSE_BYTES, MAX_SAMPLES_BYTES, render_samples
from rise_bench.leaderboards.submissions.schema import MAX_SUBMISSION_BYTES
from rise_bench.leaderboards.submissions.tree import PullRequest, TreeFile, check_pull_request, read_folder
from rise_bench.leaderboards.verification.gold_board import GoldBoard
from rise_bench.leaderboards.verification.verifier import Verification, render_report, verify

Attack = tuple[str, str, Callable[..., tuple[bytes, bytes]]]
ATTACKS: list[Attack] = []


def attack(name: str, code: str) -> Callable[[Callable[..., tuple[bytes, bytes]]], Callable[..., object]]:
    def register(make: Callable[..., tuple[bytes, bytes]]) -> Callable[..., object]:
        ATTACKS.append((name, code, make))
        return make

    return register


def sent(parts, **changes) -> tuple[bytes, bytes]:
    """Bytes of the submission with top-level parts replaced or, as "a__b", parts one level down."""
    for key, value in changes.items():
        outer, _, inner = key.partition("__")
        if inner:
            parts.submission[outer][inner] = value
        else:
            parts.submission[outer] = value
    return parts.submission_json, parts.samples


def resent(parts, responses: dict[str, str]) -> tuple[bytes, bytes]:
    parts.samples = render_samples(responses)
    parts.reseal()
    return parts.submission_json, parts.samples


# Scores that are not those of the responses


@attack("claim a better score", "claim_differs")
def _(parts, board):
    return sent(parts, metrics__jsd=parts.submission["metrics"]["jsd"] - 1e-6)


@attack("claim a better side metric", "claim_differs")
def _(parts, board):
    return sent(parts, metrics__win_rate=1.0)


@attack("claim NaN, which no comparison catches", "bad_json")
def _(parts, board):
    return parts.submission_json.replace(b'"jsd": ', b'"jsd": NaN, "x": ', 1), parts.samples


@attack("claim 1e999", "bad_json")
def _(parts, board):
    return parts.submission_json.replace(b'"jsd": ', b'"jsd": 1e999, "x": ', 1), parts.samples


@attack("claim a score as text", "schema")
def _(parts, board):
    return sent(parts, metrics__jsd="0.0")


@attack("claim true, which equals 1", "schema")
def _(parts, board):
    return sent(parts, metrics__accuracy=True)


@attack("claim a metric of one's own", "unknown_metric")
def _(parts, board):
    return sent(parts, metrics__vibes=1.0)


@attack("leave the ranking metric out", "no_claim")
def _(parts, board):
    del parts.submission["metrics"]["jsd"]
    return sent(parts)


@attack("give the same key twice, so that two readers see two scores", "bad_json")
def _(parts, board):
    return parts.submission_json.replace(b'{"schema', b'{"notes": "a", "notes": "b", "schema'), parts.samples


# Samples that are not the run


@attack("edit a response after hashing", "edited_samples")
def _(parts, board):
    return parts.submission_json, parts.samples.replace(b"<answer>", b"<answer> ", 1)


@attack("improve responses and reseal, keeping the claims", "claim_differs")
def _(parts, board):
    best = {g.id: f"<think>It is so.</think><answer>{render_gold(g)}</answer>" for g in board.golds[:5]}
    return resent(parts, parts.responses | best)


@attack("drop the worst sample", "missing_samples")
def _(parts, board):
    return resent(parts, dict(list(parts.responses.items())[1:]))


@attack("send no samples at all", "missing_samples")
def _(parts, board):
    return parts.submission_json, b""


@attack("answer a sample twice, the better one second", "duplicate_id")
def _(parts, board):
    first = parts.samples.split(b"\n")[0]
    parts.samples += first + b"\n"
    parts.reseal()
    return parts.submission_json, parts.samples


@attack("add samples of another split", "foreign_samples")
def _(parts, board):
    return resent(parts, parts.responses | {"emotion6/train/1": "<answer>{}</answer>"})


@attack("replace hard samples by easy ones of one's own", "foreign_samples")
def _(parts, board):
    kept = dict(list(parts.responses.items())[3:])
    return resent(parts, kept | {f"easy/{i}": "<answer>{}</answer>" for i in range(3)})


@attack("an id that looks the same (Cyrillic)", "foreign_samples")
def _(parts, board):
    return resent(parts, {k.replace("e", "е", 1): v for k, v in parts.responses.items()})


@attack("an id that climbs out of the folder", "foreign_samples")
def _(parts, board):
    return resent(parts, parts.responses | {"../../board.json": "x"})


@attack("pass a dead server's words off as responses", "failed_requests")
def _(parts, board):
    failed = dict.fromkeys(list(parts.responses)[:4], "[LMMS_EVAL_REQUEST_FAILED after 3 retries]")
    return resent(parts, parts.responses | failed)


@attack("state another number of lines", "samples_count")
def _(parts, board):
    return sent(parts, samples__count=39)


@attack("state another size", "samples_bytes")
def _(parts, board):
    return sent(parts, samples__bytes=17)


@attack("a score beside the response, in case someone reads it", "bad_line")
def _(parts, board):
    lines = [json.loads(line) | {"jsd": 0.0} for line in parts.samples.splitlines()]
    parts.samples = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    parts.reseal()
    return parts.submission_json, parts.samples


@attack("a list of responses, of which the best may be picked", "bad_line")
def _(parts, board):
    rows = [{"id": i, "response": [text, text]} for i, text in parts.responses.items()]
    parts.samples = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    parts.reseal()
    return parts.submission_json, parts.samples


@attack("the same key twice in a line", "bad_line")
def _(parts, board):
    parts.samples = parts.samples.replace(b'{"id"', b'{"response": "first", "id"', 1)
    parts.reseal()
    return parts.submission_json, parts.samples


@attack("half of a surrogate pair, which breaks writers later", "bad_line")
def _(parts, board):
    parts.samples = parts.samples.replace(b"<think>", b"<think>\\ud800", 1)
    parts.reseal()
    return parts.submission_json, parts.samples


@attack("a response without end", "long_response")
def _(parts, board):
    first = next(iter(parts.responses))
    return resent(parts, parts.responses | {first: "x" * (MAX_RESPONSE_BYTES + 1)})


@attack("UTF-16 that a lenient reader would decode", "bad_line")
def _(parts, board):
    parts.samples = parts.samples.decode().encode("utf-16")
    parts.reseal()
    return parts.submission_json, parts.samples


@attack("a token in a response, on which every later commit would fail", "holds_token")
def _(parts, board):
    first = min(parts.responses)
    return resent(parts, parts.responses | {first: parts.responses[first] + " hf_" + "a" * 34})


@attack("an escaped token, which the report would show", "holds_token")
def _(parts, board):
    return parts.submission_json.replace(b'"Tiny VL"', b'"h\\u0066_' + b"a" * 34 + b'"'), parts.samples


@attack("a token in the notes", "holds_token")
def _(parts, board):
    return sent(parts, notes="hf_" + "B" * 34)


@attack("blank lines between the samples", "bad_line")
def _(parts, board):
    parts.samples = parts.samples.replace(b"\n", b"\n\n")
    parts.reseal()
    return parts.submission_json, parts.samples


# Files that are no submission


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("a pickle of a submission was loaded",))


@attack("a pickle named samples.jsonl", "bad_line")
def _(parts, board):
    parts.samples = pickle.dumps(Bomb())
    return parts.submission_json, parts.samples


@attack("a pickle named submission.json", "bad_json")
def _(parts, board):
    return pickle.dumps({"schema_version": 1}), parts.samples


@attack("YAML with a Python tag", "bad_json")
def _(parts, board):
    return b"!!python/object/apply:os.system ['true']", parts.samples


@attack("a gzip bomb", "bad_line")
def _(parts, board):
    import gzip

    return parts.submission_json, gzip.compress(b"0" * 10_000_000)


@attack("a nesting bomb in submission.json", "bad_json")
def _(parts, board):
    return b"[" * 60_000, parts.samples


@attack("a nesting bomb in a line", "bad_line")
def _(parts, board):
    return parts.submission_json, b'{"id": "a", "response": ' + b"[" * 1_000_000 + b"\n"


@attack("a number of a million digits", "bad_line")
def _(parts, board):
    return parts.submission_json, b'{"id": "a", "response": ' + b"9" * 1_000_000 + b"}\n"


@attack("a huge submission.json", "too_large")
def _(parts, board):
    return sent(parts, notes="x" * (MAX_SUBMISSION_BYTES + 1))


@attack("huge samples", "too_large")
def _(parts, board):
    return parts.submission_json, b"x" * (MAX_SAMPLES_BYTES + 1)


@attack("a million empty lines", "too_many_samples")
def _(parts, board):
    return parts.submission_json, b"\n" * 1_000_000


# Fields


@attack("a field for the verifier to obey", "schema")
def _(parts, board):
    return sent(parts, decision="accept")


@attack("a tier of one's own", "schema")
def _(parts, board):
    return sent(parts, model__tier="reproduced")


@attack("a schema version to come, with laxer rules", "schema")
def _(parts, board):
    return sent(parts, schema_version=2)


@attack("markup in the model's id", "schema")
def _(parts, board):
    return sent(parts, model__id="a/<img src=x onerror=alert(1)>")


@attack("a model id that is a path", "schema")
def _(parts, board):
    return sent(parts, model__id="../../../etc/passwd")


@attack("a line break after the model's id", "schema")
def _(parts, board):
    return sent(parts, model__id="anna/model\n")


@attack("a branch for a revision, which can change later", "schema")
def _(parts, board):
    return sent(parts, model__revision="main")


@attack("text that turns right to left and hides its end", "schema")
def _(parts, board):
    return sent(parts, model__name="Qwen\u202egnitaeb")


@attack("a name of invisible characters", "schema")
def _(parts, board):
    return sent(parts, model__name="\u200b\u200b")


SHOWN = ("model__name", "model__method", "run__by", "run__hardware", "decoding__engine")


def _hostile_texts() -> None:
    texts = {
        "of blanks": "   ",
        "with a line separator": "RISE\u2028accepted",
        "with a line break": "RISE\naccepted",
        "of one combining mark": "\u0301",
        "under a pile of marks": "R" + "\u0335" * 20 + "ISE",
        "in full width": "ＲＩＳＥ ２Ｂ",
        "with a Cyrillic letter": "RISЕ 2B",
        "with a Hangul filler": "RISE\u3164",
        "between no-break blanks": "\u00a0RISE\u00a0",
        "with an escape for terminals": "\u001b[2JRISE",
        "with a private character": "RISE\ue000",
        "decomposed": "Cafe\u0301",
    }
    for field in SHOWN:
        for what, text in texts.items():
            if field.startswith("model__name") or what != "of blanks":
                attack(f"{field} {what}", "schema")(lambda parts, _, f=field, t=text: sent(parts, **{f: t}))
    for day in (
        "2026-02-30",
        "2026-13-01",
        "2099-01-01",
        "1999-12-31",
        "0000-00-00",
        "2026-03-01T00:00",
        "２０２６-03-01",
    ):
        attack(f"run on {day}", "schema")(lambda parts, _, d=day: sent(parts, run__date=d))
    for model in (
        "a/b--c",
        "a/b..c",
        "a/b.",
        "a/b-",
        "a-/b",
        "a/b.git",
        "a/" + "b" * 96,
        "а/tiny",
        "ａ/tiny",
        "a/tiny/",
        "a//b",
    ):
        attack(f"the model id {model[:12]}", "schema")(lambda parts, _, m=model: sent(parts, model__id=m))
    for notes in ("a\u202eb", "a\u2028b", "\u0301", "a\x1b[0m", "\x00", "x" + "\u0316" * 9):
        attack(f"notes with {ascii(notes)[:14]}", "schema")(lambda parts, _, n=notes: sent(parts, notes=n))


_hostile_texts()


@attack("a version that is no text", "schema")
def _(parts, board):
    return sent(parts, run__versions={"rise-bench": "\u200b"})


@attack("a package of no name", "schema")
def _(parts, board):
    return sent(parts, run__versions={" ": "1"})


# JSON that two readers read differently


def _spoilt_bytes() -> None:
    changes = {
        "a byte order mark": lambda data: b"\xef\xbb\xbf" + data,
        "UTF-16": lambda data: data.decode().encode("utf-16"),
        "UTF-32": lambda data: data.decode().encode("utf-32"),
        "a lone surrogate": lambda data: data.replace(b'"Anna"', b'"\\ud800"'),
        "a lone surrogate as bytes": lambda data: data.replace(b'"Anna"', b'"\xed\xa0\x80"'),
        "overlong UTF-8": lambda data: data.replace(b'"Anna"', b'"\xc0\xaf"'),
        "a zero byte": lambda data: data.replace(b'"Anna"', b'"A\x00"'),
        "a comment": lambda data: data + b" // fine",
        "a second value": lambda data: data + b"{}",
        "a comma at the end": lambda data: data[:-1] + b",}",
        "single quotes": lambda data: data.replace(b'"', b"'"),
        "Infinity": lambda data: data.replace(b'"jsd": ', b'"jsd": Infinity, "x": '),
        "-Infinity": lambda data: data.replace(b'"jsd": ', b'"jsd": -Infinity, "x": '),
        "-1e999": lambda data: data.replace(b'"jsd": ', b'"jsd": -1e999, "x": '),
        "a hexadecimal number": lambda data: data.replace(b'"seed": 1', b'"seed": 0x1'),
        "a number with a leading zero": lambda data: data.replace(b'"seed": 1', b'"seed": 01'),
        "a number of 5000 digits": lambda data: data.replace(b'"seed": 1', b'"seed": ' + b"9" * 5000),
        "a key twice, once escaped": lambda data: data.replace(
            b'{"schema', b'{"notes": "a", "n\\u006ftes": "b", "schema'
        ),
        "a key twice in a metric": lambda data: data.replace(b'"jsd": ', b'"jsd": 0.1, "jsd": '),
        "gzip": lambda data: __import__("gzip").compress(data),
        "zip": lambda data: b"PK\x03\x04" + data,
        "a pointer of LFS": lambda _: (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 9\n"
        ),
        "a path, as git keeps a link": lambda _: b"../../anna/first/submission.json",
        "nothing": lambda _: b"",
        "a list": lambda data: b"[" + data + b"]",
        "null": lambda _: b"null",
    }
    for what, change in changes.items():
        code = "schema" if what in ("a list", "null") else "bad_json"
        attack(f"submission.json as or with {what}", code)(
            lambda parts, _, c=change: (c(parts.submission_json), parts.samples)
        )


_spoilt_bytes()


def _spoilt_lines() -> None:
    first = b'{"id": "emotion6/040", "response": "x"}'
    lines = {
        "NaN": b'{"id": "a", "response": NaN}',
        "a lone surrogate": b'{"id": "a", "response": "\\udc00"}',
        "a surrogate in the id": b'{"id": "\\ud83d", "response": "x"}',
        "a response twice": b'{"id": "a", "response": "x", "response": "y"}',
        "a response that is a list": b'{"id": "a", "response": ["x"]}',
        "a response that is null": b'{"id": "a", "response": null}',
        "an id that is a number": b'{"id": 40, "response": "x"}',
        "an empty id": b'{"id": "", "response": "x"}',
        "an id of a kilobyte": b'{"id": "' + b"a" * 1024 + b'", "response": "x"}',
        "a raw line break": b'{"id": "a", "response": "x\ny"}',
        "two values": first + b" " + first,
        "nesting": b"[" * 9_000,
        "a byte order mark": b"\xef\xbb\xbf" + first,
        "an array": b'["emotion6/040", "x"]',
    }
    for what, line in lines.items():
        attack(f"a line with {what}", "bad_line")(
            lambda parts, _, x=line: (parts.submission_json, parts.samples + x + b"\n")
        )
    ids = {
        "in capitals": str.upper,
        "in full width": lambda i: i.replace("e", "ｅ", 1),
        "with a blank": lambda i: i + " ",
        "decomposed": lambda i: i.replace("e", "e\u0301", 1),
        "with a slash more": lambda i: i.replace("/", "//"),
        "with a zero byte": lambda i: i + "\x00",
        "with a hidden character": lambda i: "\u200b" + i,
        "with other digits": lambda i: i.replace("0", "٠"),
        "without its folder": lambda i: i.split("/")[-1],
    }
    for what, change in ids.items():
        attack(f"ids {what}", "foreign_samples")(
            lambda parts, _, c=change: resent(parts, {c(i): t for i, t in parts.responses.items()})
        )


_spoilt_lines()


def _spoilt_values() -> None:
    values = {
        "model__revision": ["A" * 40, "a" * 39, "a" * 41, "g" * 40, "a" * 40 + "\n", "HEAD", "", "Closed"],
        "dataset__content_sha256": ["F" * 64, "0" * 63, "", None],
        "prompt__prompt_hash": ["0" * 15, "", " " * 16],
        "prompt__style": ["any", "", "THINK_ANSWER"],
        "prompt__box_unit": ["m", None],
        "prompt__max_pixels": [0, -1, 10**10, 1.5, True, "401408"],
        "decoding__temperature": [-0.1, 11, True, "0", None, [0]],
        "decoding__top_p": [0, -1, 1.01, True],
        "decoding__max_new_tokens": [0, 10**6, 1.0, True],
        "decoding__seed": [-1, 2**63, 1.0, "1"],
        "metrics": [{}, [], None, {"jsd": None}, {"jsd": [0]}, {"": 1.0}, {"jsd": 10**400}, {"x" * 61: 1.0}],
        "samples__count": [0, -1, 40.0, True, 10**30],
        "samples__sha256": ["0" * 65, None],
        "shots": ["8", 16, "FULL", "", None, "0 "],
        "benchmark": ["Emotion6", "emotion6 ", "emotion6/", "еmotion6", "emotion6\n", "", None],
        "schema_version": ["1", True, 1.5, 0, None],
        "notes": [None, 1, ["a"], "x" * 4_001],
    }  # fmt: skip
    for field, tries in values.items():
        for value in tries:
            attack(f"{field} = {ascii(value)[:20]}, {len(ATTACKS)}", "schema")(
                lambda parts, _, f=field, v=value: sent(parts, **{f: v})
            )


_spoilt_values()


@attack("a name as long as a page", "schema")
def _(parts, board):
    return sent(parts, model__name="Z" * 5_000)


@attack("a thousand versions", "schema")
def _(parts, board):
    return sent(parts, run__versions={f"p{i}": "1" for i in range(1_000)})


@attack("a benchmark that is a path", "schema")
def _(parts, board):
    return sent(parts, benchmark="../emotion6")


@attack("a benchmark that the board does not have", "unknown_benchmark")
def _(parts, board):
    return sent(parts, benchmark="my_own_benchmark")


@attack("another dataset, with an easier truth", "other_dataset")
def _(parts, board):
    return sent(parts, dataset__content_sha256="0" * 64)


@attack("a prompt that gives hints", "other_prompt")
def _(parts, board):
    return sent(parts, prompt__prompt_hash="0" * 16)


@attack("a unit that makes boxes of probabilities", "needless_unit")
def _(parts, board):
    from rise_bench.prompts.templates import prompt_hash

    hashed = prompt_hash(board.spec, AnswerFormat(unit="px"))
    return sent(parts, prompt__box_unit="px", prompt__prompt_hash=hashed)


# Responses that no model wrote for these images


@attack("one answer for every image", "constant")
def _(parts, board):
    return resent(parts, dict.fromkeys(parts.responses, '<think>So.</think><answer>{"joy": 0.5}</answer>'))


@attack("one answer with a little noise", "constant")
def _(parts, board):
    answers = {
        sample_id: f'<think>So.</think><answer>{{"joy": 0.5, "fear": {0.5 + i / 1e5}}}</answer>'
        for i, sample_id in enumerate(parts.responses)
    }
    return resent(parts, answers)


kinds = len(ATTACKS)


def refused(outcome: Verification, code: str, severity: str = "reject") -> None:
    found = {reason.code: reason for reason in outcome.reasons}
    assert code in found, f"expected {code}, found {sorted(found)}"
    assert found[code].severity == severity
    assert len(found[code].message) > 10
    assert outcome.decision == severity


@pytest.fixture(scope="module")
def board(boards: dict[str, GoldBoard]) -> GoldBoard:
    return boards["emotion6"]


def test_there_are_forty_kinds():
    assert kinds >= 40
    assert len({name for name, _, _ in ATTACKS}) == kinds


@pytest.mark.parametrize(("code", "make"), [a[1:] for a in ATTACKS], ids=[a[0] for a in ATTACKS])
def test_attack_is_refused_with_its_reason(code, make, honest, board, boards):
    outcome = verify(*make(honest(), board), boards, path="submissions/anna/x")
    refused(outcome, code)
    report = render_report(outcome)
    assert report.isascii()
    assert json.loads(report)["tier"] is None


def test_the_honest_original_of_all_of_them_is_accepted(honest, boards):
    """Else every attack above would be refused for being there at all."""
    for name in boards:
        outcome = verify(*sent(honest(name)), boards, path="submissions/anna/x")
        assert (outcome.decision, outcome.reasons) == ("accept", ())


# Copies: compared with what was accepted before


def accepted(parts, boards, path="submissions/anna/first"):
    outcome = verify(parts.submission_json, parts.samples, boards, path=path)
    assert outcome.decision == "accept"
    return outcome.print_of


def copy_of(honest, change, **model):
    first = honest()
    responses = {key: change(text) for key, text in first.responses.items()}
    return honest(responses=responses, id="mallory/own-model", name="Own model", **model)


def answer_of(text: str) -> dict[str, float]:
    return json.loads(text[text.index("<answer>") + 8 : text.index("</answer>")])


def shaken(text: str) -> str:
    answer = {name: p + 0.004 * (i % 2) for i, (name, p) in enumerate(answer_of(text).items())}
    return f"<answer>{json.dumps(answer)}</answer>"


def turned(text: str) -> str:
    return f"<answer>{json.dumps(dict(reversed(answer_of(text).items())), indent=2)}</answer>"


@pytest.mark.parametrize(
    ("name", "change", "code", "severity"),
    [
        ("as they are", lambda text: text, "copied", "reject"),
        ("numbers shaken", lambda text: text.replace("0.1", "0.11"), "copied", "reject"),
        ("case and punctuation changed", lambda t: t.replace(",", ";").replace("a", "A"), "copied", "reject"),
        ("zero-width characters in the words", lambda t: t.replace("by", "b\u200by"), "copied", "reject"),
        ("look-alike letters", lambda t: t.translate(str.maketrans("aeopc", "аеорс")), "copied", "reject"),
        ("full-width letters", lambda t: t.replace("then", "\uff54\uff48\uff45\uff4e"), "copied", "reject"),
        ("accents on letters", lambda t: t.replace("e b", "e\u0301 b"), "copied", "reject"),
        ("numbers shaken, without the CoTs", lambda t: "<think>I know.</think>" + shaken(t), "same_answers",
         "hold"),
        ("answers in another order, without the CoTs", lambda t: "<think>I know.</think>" + turned(t),
         "same_answers", "hold"),
        ("another beginning", lambda text: text.replace("There is", "Look, I see"), "copied", "reject"),
        ("another end", lambda text: text.replace("felt here", "felt, I think"), "copied", "reject"),
        ("answers without the CoTs", lambda t: "<think>I know.</think>" + t[t.index("<answer>") :],
         "same_answers", "hold"),
    ],
)  # fmt: skip
def test_copied_responses(name, change, code, severity, honest, boards):
    known = [accepted(honest(), boards)]
    parts = copy_of(honest, change)
    outcome = verify(parts.submission_json, parts.samples, boards, path="submissions/mallory/x", known=known)
    refused(outcome, code, severity)


def test_a_part_of_copied_responses_is_held(honest, boards):
    first, other = honest(), honest(seed=2)
    mixed = other.responses | dict(list(first.responses.items())[:10])
    parts = honest(responses=mixed, id="mallory/own-model")
    outcome = verify(parts.submission_json, parts.samples, boards, known=[accepted(first, boards)])
    refused(outcome, "resembles", "hold")


def test_the_same_run_again_is_refused_and_a_new_run_of_the_model_is_not(honest, boards):
    known = [accepted(honest(), boards)]
    again = honest()
    refused(verify(again.submission_json, again.samples, boards, path="b", known=known), "copied")
    new = honest(seed=2)
    assert verify(new.submission_json, new.samples, boards, path="b", known=known).decision == "accept"


@pytest.mark.parametrize(
    ("model", "path", "severity"),
    [
        ("mallory/own-model", "submissions/mallory/x", "reject"),
        (
            "anna/tiny-vl",
            "submissions/mallory/x",
            "hold",
        ),  # the victim's own id, or weights run by two people
        ("Anna/TINY-VL", "submissions/mallory/x", "hold"),
        ("anna/tiny-vl", "", "hold"),
        ("anna/tiny-vl", "submissions/anna/second", "accept"),  # one's own model again
        ("mallory/own-model", "submissions/anna/second", "reject"),
    ],
)
def test_naming_the_model_of_the_victim_does_not_switch_the_comparison_off(
    model, path, severity, honest, boards
):
    known = [accepted(honest(), boards)]
    responses = {key: text.replace("There is", "I see") for key, text in honest().responses.items()}
    parts = honest(responses=responses, id=model)
    outcome = verify(parts.submission_json, parts.samples, boards, path=path, known=known)
    assert outcome.decision == severity
    codes = {reason.code for reason in outcome.reasons}
    assert codes - {"model_of_others"} == (set() if severity == "accept" else {"copied"})
    assert ("model_of_others" in codes) == (model.casefold() == "anna/tiny-vl" and "mallory" in path)


def test_poor_responses_in_the_name_of_anothers_model_are_held_on_their_pull_request(honest, boards):
    known, parts = [accepted(honest(), boards)], honest(seed=2, id="anna/tiny-vl")
    outcome = verify(parts.submission_json, parts.samples, boards, path="submissions/mallory/x", known=known)
    refused(outcome, "model_of_others", "hold")


@pytest.mark.parametrize(
    "write",
    [
        lambda i, t: json.dumps({"response": t, "id": i}),
        lambda i, t: json.dumps({"id": i, "response": t}, ensure_ascii=True, separators=(" , ", " : ")),
        lambda i, t: json.dumps({"id": i, "response": t}) + " \r",
    ],
)
def test_the_same_responses_written_in_another_way_are_the_same_run(write, honest, boards):
    known = [accepted(honest(), boards)]
    parts = honest()
    parts.samples = "".join(f"{write(i, t)}\n" for i, t in parts.responses.items()).encode()
    parts.reseal()
    outcome = verify(parts.submission_json, parts.samples, boards, path="submissions/anna/b", known=known)
    refused(outcome, "copied")


def test_formulas_that_a_model_family_shares_are_no_copy(honest, boards):
    opening = "To find out which emotions this picture evokes in people, let us look at its visual cues. "
    runs = [
        honest(
            responses={
                key: text.replace("<think>", "<think>" + opening)
                for key, text in honest(seed=s).responses.items()
            },
            id=f"anna/model-{s}",
        )
        for s in (1, 2)
    ]
    known = [accepted(runs[0], boards)]
    assert verify(runs[1].submission_json, runs[1].samples, boards, path="b", known=known).reasons == ()


def test_the_truth_itself_is_held(honest, boards):
    for name, board in boards.items():
        exact = {
            gold.id: f"<think>Because of cue {i}.</think><answer>{render_gold(gold)}</answer>"
            for i, gold in enumerate(board.golds)
        }
        parts = honest(name, responses=exact)
        refused(verify(parts.submission_json, parts.samples, boards), "too_good", "hold")


def test_a_server_that_died_quietly_is_held(honest, boards):
    responses = honest().responses
    empty = dict.fromkeys(list(responses)[:30], "")
    parts = honest(responses=responses | empty)
    refused(verify(parts.submission_json, parts.samples, boards), "mostly_empty", "hold")


def test_pinned_commit(honest, boards):
    from dataclasses import replace

    board = boards["emotion6"]
    pinned = {"emotion6": replace(board, pin=board.pin.model_copy(update={"revision": "1" * 40}))}
    parts = honest()
    assert verify(*sent(parts, dataset__revision="1" * 40), pinned).decision == "accept"
    refused(verify(*sent(parts, dataset__revision="2" * 40), pinned), "other_revision")


def test_every_reason_is_given_at_once(honest, boards):
    parts = honest()
    submission, samples = sent(parts, metrics__jsd=0.0, prompt__prompt_hash="0" * 16)
    outcome = verify(submission, samples.replace(b"<answer>", b"<answer> ", 1), boards)
    assert {r.code for r in outcome.reasons} == {
        "claim_differs",
        "other_prompt",
        "edited_samples",
        "samples_bytes",
    }


def test_the_report_is_the_same_byte_for_byte(honest, boards):
    parts = honest()
    reports = {render_report(verify(*sent(parts), boards, path="p")) for _ in range(3)}
    assert len(reports) == 1


# The pull request: names and sizes, before anything is downloaded

OURS = {
    "board.json": TreeFile(100, "b"),
    "submissions/anna/first/submission.json": TreeFile(900, "s"),
    "submissions/anna/first/samples.jsonl": TreeFile(9_000, "j"),
}
NEW = {
    "submissions/mallory/x/submission.json": TreeFile(900, "m"),
    "submissions/mallory/x/samples.jsonl": TreeFile(9_000, "n"),
}


def pull(files=None, **changes) -> PullRequest:
    fields = {
        "number": 3,
        "author": "mallory",
        "status": "open",
        "head": "c" * 40,
        "base": OURS,
        "main": OURS,
    }
    return PullRequest(**(fields | {"files": OURS | NEW if files is None else files} | changes))


def added(**paths: int) -> dict[str, TreeFile]:
    return OURS | NEW | {path: TreeFile(size, "q") for path, size in paths.items()}


def without(*names: str) -> dict[str, TreeFile]:
    return {path: file for path, file in (OURS | NEW).items() if path not in names}


def both(folder: str) -> dict[str, TreeFile]:
    names = ("submission.json", "samples.jsonl")
    return OURS | {f"submissions/{folder}/{name}": TreeFile(9, "q") for name in names}


OWNERS = (
    "mаllory",
    "ｍallory",
    "mallory\u200b",
    "mallory ",
    "-mallory",
    ".",
    "..",
    "mal.lory",
    "mallory\n",
    "",
)
SLUGS = ("X", "x y", "x\u202e", "х", ".x", "-x", "x.json", "x" * 97, "x\n", "é")
BESIDE = (".gitkeep", "samples.jsonl.gz", "SAMPLES.JSONL", "samples.jsonl ", ".git/hooks/x", "sаmples.jsonl")
ELSEWHERE = (".gitmodules", "README.md", "reproductions/mallory/x.json", "submissions/mallory/z")

PULLS = [
    *((f"an owner {o!a}", "wrong_folder", pull(both(f"{o}/x"))) for o in OWNERS),
    *((f"a folder {s!a}", "wrong_folder", pull(both(f"mallory/{s}"))) for s in SLUGS),
    *((f"also {p!a}", "extra_files", pull(added(**{f"submissions/mallory/x/{p}": 10}))) for p in BESIDE),
    *((f"also {p!a}", "extra_files", pull(added(**{p: 10}))) for p in ELSEWHERE),
    ("a folder of another case", "foreign_folder", pull(author="Mallory")),
    ("a rival's name in capitals", "path_taken", pull(both("Anna/first"), author="Anna")),
    ("a folder of no name beside it", "wrong_folder", pull(added(**{"samples.jsonl": 10}))),
    ("submission.json of a megabyte", "too_large",
     pull(added() | {"submissions/mallory/x/submission.json": TreeFile(10**6, "n")})),
    ("a request that was merged", "not_open", pull(status="merged")),
    ("delete a rival", "deletes_files", pull(without("submissions/anna/first/samples.jsonl"))),
    ("edit a rival's scores", "edits_files",
     pull(added() | {"submissions/anna/first/samples.jsonl": TreeFile(9, "z")})),
    ("edit the pins of the board", "edits_files", pull(added() | {"board.json": TreeFile(100, "evil")})),
    ("write into another's folder", "foreign_folder", pull(author="someone")),
    ("smuggle a pickle", "extra_files", pull(added(**{"submissions/mallory/x/model.pkl": 10}))),
    ("smuggle a loading script", "extra_files", pull(added(**{"rise-results.py": 10}))),
    ("bring one's own report", "extra_files", pull(added(**{"reports/mallory/x.json": 10}))),
    ("git attributes that run a filter", "extra_files", pull(added(**{".gitattributes": 10}))),
    ("two submissions in one", "wrong_folder", pull(added(**{"submissions/mallory/y/submission.json": 10}))),
    ("climb out of the folder", "wrong_folder",
     pull(OURS | {"submissions/mallory/../anna/submission.json": TreeFile(1, "q")})),
    ("a folder too deep", "wrong_folder",
     pull(OURS | {"submissions/mallory/a/b/submission.json": TreeFile(1, "q")})),
    ("a name with markup", "wrong_folder",
     pull(OURS | {"submissions/mallory/<b>/submission.json": TreeFile(1, "q")})),
    ("files at the root", "wrong_folder", pull(OURS | {"submission.json": TreeFile(1, "q")})),
    ("nothing at all", "wrong_folder", pull(OURS)),
    ("no samples", "missing_file", pull(without("submissions/mallory/x/samples.jsonl"))),
    ("a file of a terabyte", "too_large",
     pull(added() | {"submissions/mallory/x/samples.jsonl": TreeFile(10**12, "n")})),
    ("a name that main has by now", "path_taken", pull(main=OURS | NEW)),
    ("a request that was closed", "not_open", pull(status="closed")),
    ("a draft, still changing", "not_open", pull(status="draft")),
]  # fmt: skip


@pytest.mark.parametrize(("code", "request_"), [p[1:] for p in PULLS], ids=[p[0] for p in PULLS])
def test_pull_request_is_refused_with_its_reason(code, request_):
    _, reasons = check_pull_request(request_)
    assert code in [reason.code for reason in reasons]
    assert all(reason.severity == "reject" for reason in reasons)


def test_a_plain_pull_request_passes_also_when_main_has_moved_on():
    others = {f"submissions/bob/z/{name}": TreeFile(1, "b") for name in ("submission.json", "samples.jsonl")}
    assert check_pull_request(pull(main=OURS | others)) == ("submissions/mallory/x", [])


# A local folder


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path, honest):
    secret = tmp_path / "secret.json"
    secret.write_bytes(honest().submission_json)
    folder = tmp_path / "x"
    folder.mkdir()
    (folder / "submission.json").symlink_to(secret)
    (folder / "samples.jsonl").write_bytes(b"")
    (folder / "weights.bin").write_bytes(b"")
    submission, _, reasons = read_folder(folder)
    assert submission == b""
    assert [reason.code for reason in reasons] == ["extra_files", "missing_file"]


def test_a_large_local_file_is_not_read(tmp_path: Path):
    with (tmp_path / "samples.jsonl").open("wb") as file:
        file.truncate(MAX_SAMPLES_BYTES + 1)
    (tmp_path / "submission.json").write_bytes(b"{}")
    _, samples, reasons = read_folder(tmp_path)
    assert samples == b""
    assert [reason.code for reason in reasons] == ["too_large"]
