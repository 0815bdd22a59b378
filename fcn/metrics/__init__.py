"""Scores of predictions, computed from stored confusion matrices. No TensorFlow."""
