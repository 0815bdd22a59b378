"""Published weight files, and their transfer into a net."""
