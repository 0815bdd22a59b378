"""Trained nets as files that other programs read."""
