"""rise-bench: datasets, verified chains of thought, trainers and a benchmark for RISE (arXiv 2508.13229)."""

__version__ = "0.1.0"
