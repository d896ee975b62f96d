"""Names, arguments and requirements of lmms-eval's models, read from their source without importing them.

lmms-eval notices an unknown name or a missing package after a minute of loading, and reports it by a
traceback or "'NoneType' object is not callable".
"""

import ast
import contextlib
import difflib
import functools
import importlib.util
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rise_bench.catalog.extras import extra_with
from rise_bench.errors import ConfigError, PrerequisiteError

#: Modules that run or reach a model: required even if imported in a `try`.
_ENGINES = frozenset({"vllm", "sglang", "openai", "litellm", "anthropic", "dashscope"})
#: Modules with which a model of lmms-eval asks a service.
_CLIENTS = frozenset({"openai", "anthropic", "dashscope", "reka"})
#: Modules of `optional_import` for videos and adapters only.
_DISPENSABLE = frozenset({"decord", "peft"})
#: Argument of qwen3_vl: its responses are cut after `</think>`.
_THINKING = "enable_thinking"
_MODEL_FILES = ("lmms_eval.models.simple.", "lmms_eval.models.chat.")


def model_names() -> list[str]:
    """Return the names that `--model` accepts, including aliases and plug-ins, sorted."""
    return list(_registry().list_model_names())


def check_model(name: str, model_args: str = "") -> None:
    """Check that lmms-eval knows a model and that the packages of its engine are installed.

    Args:
        name: `--model`.
        model_args: `--model_args`, which may select an attention kernel.

    Raises:
        ConfigError: If the model does not exist; the message has the nearest names.
        PrerequisiteError: If a package is missing; the message has the command that installs it.
    """
    if not name:
        raise ConfigError("say how the model runs with --model, e.g. --model qwen2_vl")
    names = model_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=3) or ["qwen2_vl", "qwen2_5_vl", "vllm", "openai"]
        raise ConfigError(
            f"lmms-eval has no --model {name!r}; near to it or usual: {', '.join(near)}; "
            "list all with `lmms-eval models`"
        )
    for module in _needed(name):
        if not _installed(module):
            raise PrerequisiteError(f"--model {name} needs {module}; {_how_to_install(module)}")
    if "flash_attention_2" in model_args and not _installed("flash_attn"):
        raise PrerequisiteError(f"flash_attention_2 needs flash_attn; {_how_to_install('flash_attn')}")


def check_whole_response(name: str, model_args: str) -> None:
    """Check that a model of lmms-eval leaves the reasons in its responses.

    With `enable_thinking`, qwen3_vl and what builds on it (qwen3_5, where it is the default) cut everything
    up to `</think>`, so that a task sees no reason, and counts the format as wrong.

    Args:
        name: `--model`.
        model_args: `--model_args`.

    Raises:
        ConfigError: If the reasons are cut; the message has the setting that keeps them.
    """
    functions = [
        node for tree in _sources(name) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
    ]
    if not any(function.name == "_strip_thinking" and _reads(function, _THINKING) for function in functions):
        return
    stated = dict(pair.split("=", 1) for pair in model_args.split(",") if "=" in pair).get(_THINKING)
    default = next((_default(f.args, _THINKING) for f in functions if _takes(f, _THINKING)), None)
    if stated is None and not default:
        return
    if stated is None or stated.strip().lower() not in ("false", "0"):
        why = f"{_THINKING}={stated}" if stated else f"{_THINKING}, which is its default,"
        raise ConfigError(
            f"--model {name} with {why} cuts the reason out of each response before the task sees it. "
            f"Give --model_args …,{_THINKING}=False"
        )


def check_failures(name: str) -> None:
    """Check that a model of lmms-eval tells a failed request to a service from an empty response.

    Some of its clients (gpt4v, claude, reka) answer "" after the last attempt, which would be scored.

    Args:
        name: `--model`.

    Raises:
        ConfigError: If it does not; the message names clients that do.
    """
    nodes = [node for tree in _sources(name) for node in ast.walk(tree)]
    asks = any(module in _CLIENTS for node in nodes for module in (*_imports(node), *_optional(node)))
    if asks and any(isinstance(node, ast.ExceptHandler) and _gives_empty(node) for node in nodes):
        raise ConfigError(
            f"--model {name} of lmms-eval gives an empty response for a failed request, which would be "
            "scored as an answer. Use --model openai or litellm with --model_args model=NAME,base_url=URL"
        )


def pixel_limits(name: str) -> tuple[int, int] | None:
    """Return the smallest and largest image, in pixels, that a model of lmms-eval gives any checkpoint.

    Some models (qwen2_vl, qwen2_5_vl, qwen3_vl) set limits of their own unless `--model_args` contain
    `min_pixels` and `max_pixels`. None for a model that keeps the limits of the checkpoint.
    """
    calls = (node for tree in _sources(name) for node in ast.walk(tree) if isinstance(node, ast.Call))
    loads = (call for call in calls if getattr(call.func, "attr", "") == "from_pretrained")
    if not any(keyword.arg == "max_pixels" for call in loads for keyword in call.keywords):
        return None
    defaults: dict[str, int | None] = {}
    for tree in _sources(name):
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name == "__init__":
                defaults = _defaults(node.args) | defaults
    smallest, largest = defaults.get("min_pixels"), defaults.get("max_pixels")
    return None if smallest is None or largest is None else (smallest, largest)


def _registry() -> Any:
    with contextlib.redirect_stdout(io.StringIO()):  # reports of failing plug-ins
        from lmms_eval.models import MODEL_REGISTRY_V2
    return MODEL_REGISTRY_V2


@functools.cache
def _sources(name: str) -> tuple[ast.Module, ...]:
    """Parse the file of a model and of its base classes; skip what cannot be read."""
    read: dict[str, ast.Module] = {}
    queue = [_registry().resolve(name).class_path.rpartition(".")[0]] if name in model_names() else []
    while queue:
        module = queue.pop(0)
        with contextlib.suppress(ImportError, OSError, SyntaxError, ValueError):
            spec = importlib.util.find_spec(module)
            if module not in read and spec and spec.origin:
                read[module] = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
                queue += [base for base in _from_modules(read[module]) if base.startswith(_MODEL_FILES)]
    return tuple(read.values())


def _from_modules(tree: ast.Module) -> list[str]:
    return [node.module for node in tree.body if isinstance(node, ast.ImportFrom) and node.module]


def _needed(name: str) -> list[str]:
    """Return the top-level modules that a model requires, sorted."""
    needed: set[str] = set()
    for tree in _sources(name):
        needed.update(module for node in tree.body for module in _imports(node))
        for node in ast.walk(tree):
            needed.update(module for module in _imports(node) if module in _ENGINES)
            needed.update(module for module in _optional(node) if module not in _DISPENSABLE)
    return sorted(needed)


def _imports(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
        yield node.module.partition(".")[0]


def _optional(node: ast.AST) -> Iterator[str]:
    """Return the module of `optional_import("module", …)`."""
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "optional_import" and node.args:
        first = node.args[0]
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield first.value.partition(".")[0]


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _how_to_install(module: str) -> str:
    if extra := extra_with(module):
        return f'pip install "rise-bench[{extra}]"'
    if module in _ENGINES:
        return f"pip install {module}"
    return "install that Python module as the model's authors say"


def _gives_empty(handler: ast.ExceptHandler) -> bool:
    """Whether the handler of an exception assigns, returns or appends an empty text."""
    for node in ast.walk(handler):
        value: ast.expr | None = None
        if isinstance(node, ast.Assign | ast.Return):
            value = node.value
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "append" and node.args:
            value = node.args[0]
        if isinstance(value, ast.Call):  # GenerationResult(text="")
            value = next((keyword.value for keyword in value.keywords if keyword.arg == "text"), None)
        if isinstance(value, ast.Constant) and value.value == "":
            return True
    return False


def _reads(function: ast.FunctionDef, attribute: str) -> bool:
    return any(isinstance(node, ast.Attribute) and node.attr == attribute for node in ast.walk(function))


def _takes(function: ast.FunctionDef, argument: str) -> bool:
    return function.name == "__init__" and argument in [known.arg for known in function.args.args]


def _default(arguments: ast.arguments, name: str) -> object:
    """Return the default of an argument; None if it is not a constant."""
    pairs = zip(reversed(arguments.args), reversed(arguments.defaults), strict=False)
    constants = {known.arg: value.value for known, value in pairs if isinstance(value, ast.Constant)}
    return constants.get(name)


def _defaults(arguments: ast.arguments) -> dict[str, int | None]:
    pairs = zip(reversed(arguments.args), reversed(arguments.defaults), strict=False)
    return {argument.arg: _whole_number(default) for argument, default in pairs}


def _whole_number(node: ast.expr | None) -> int | None:
    """Return the value of a whole number or a product, such as `256 * 28 * 28`."""
    if isinstance(node, ast.Constant):
        return node.value if type(node.value) is int else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        left, right = _whole_number(node.left), _whole_number(node.right)
        return None if left is None or right is None else left * right
    return None
