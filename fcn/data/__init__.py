"""Data sets: reading images and labels, checks, augmentation, caches, batches. No TensorFlow."""
