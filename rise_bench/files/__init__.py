"""Files: atomic writes, JSON, images, paths."""
