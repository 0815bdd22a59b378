"""Training and evaluation in several processes, on one machine or several: one process per GPU, called workers."""
