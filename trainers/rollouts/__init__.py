"""Rollouts of GRPO and their rewards."""
