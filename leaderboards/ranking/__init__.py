"""Tables of ranks."""
