"""The page on which people decide about the items of a queue, and the server of it on this machine."""
