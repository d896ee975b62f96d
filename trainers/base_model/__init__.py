"""The script that makes the embedded base model: a small Qwen2-VL that sees and speaks a little."""
