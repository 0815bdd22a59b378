"""Predictions of a trained net, their scores, and the folder that holds both."""
