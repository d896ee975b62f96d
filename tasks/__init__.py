"""lmms-eval tasks: YAML and the stateless functions that it names."""
