"""`rise-bench` in the process of the test."""

from click.testing import Result
from typer.testing import CliRunner

from rise_bench.cli import app


def invoke(*arguments: object) -> Result:
    """Run a command to its end; what it raises is raised here."""
    result = CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result
