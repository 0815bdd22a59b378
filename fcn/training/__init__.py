"""Training: setup, loop, hooks, optimizers, schedules, validation and checkpoints."""
