"""Data sets: reading of images and labels, file checks, augmentation, caches, batches. No TensorFlow."""
