"""Charts and HTML."""
