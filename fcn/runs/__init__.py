"""The run folder: config.json, checkpoint files, logs, comparison of runs. No TensorFlow."""
