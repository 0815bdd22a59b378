"""Formats of published weights, one file each. fcn/weights/detection.py selects one from the content of a file.

Contract: read(...) -> Weights; raises WeightsError. A writable format also defines write(path, weights).
"""
