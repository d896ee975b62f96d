"""Recipes and their settings."""
