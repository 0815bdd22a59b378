"""Shared by all packages: errors, plugins, file writes, machine resources, progress bar, tables. No TensorFlow."""
