"""From a run's settings to its last weight update."""
