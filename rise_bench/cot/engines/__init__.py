"""Engines that run a sweep in many processes, on one machine or a cluster."""
