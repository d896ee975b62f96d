"""Models that are run: local, behind an endpoint, tiny."""
