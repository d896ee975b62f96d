"""Chains of thought: the closed loop, rollouts, CoT datasets."""
