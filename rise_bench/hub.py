"""The Hugging Face Hub: the only file that imports `huggingface_hub`."""

import os
from collections.abc import Mapping
from pathlib import Path

from rise_bench.errors import DataError

#: Benchmark -> commit of its dataset on the Hub; one without an entry is not published.
#: `RISE_BENCH_REVISION` overrides it.
PINNED_REVISIONS: Mapping[str, str] = {}


def fetch_dataset(name: str, hub_id: str) -> Path:
    """Download a benchmark at its pinned revision (from the local Hub cache if it is there).

    Args:
        name: Short name of the benchmark.
        hub_id: Dataset id on the Hub.

    Returns:
        Folder of the snapshot.

    Raises:
        DataError: If no revision is pinned, or the Hub does not give it.
    """
    revision = os.environ.get("RISE_BENCH_REVISION") or PINNED_REVISIONS.get(name)
    if revision is None:
        raise DataError(f"{name} is not published on the Hub; run `rise-bench build {name} --source DIR`")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        return Path(snapshot_download(hub_id, repo_type="dataset", revision=revision))
    except (RepositoryNotFoundError, LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise DataError(
            f"the Hub does not give {hub_id} at {revision} ({reason}); check the network, "
            f"or run `rise-bench build {name} --source DIR`"
        ) from error
