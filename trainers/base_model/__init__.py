"""Pretraining of the embedded base model, a small Qwen2-VL."""
