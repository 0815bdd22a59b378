"""Fully Convolutional Networks (Long, Shelhamer & Darrell) in TensorFlow's graph mode. ARCHITECTURE.md is the map."""
