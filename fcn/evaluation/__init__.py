"""Evaluation of a trained net: prediction, scores and the folder of results."""
