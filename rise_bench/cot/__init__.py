"""Chains of thought: closed loop, rollouts, CoT datasets."""
