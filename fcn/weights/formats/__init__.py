"""One file a format of published weights; detection.py recognises a file by its content and calls one of them.

Contract: read(...) -> Weights, or WeightsError; a format that can be written also has write(path, weights).
"""
