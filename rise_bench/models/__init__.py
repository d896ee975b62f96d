"""Models: local, behind an endpoint, tiny."""
