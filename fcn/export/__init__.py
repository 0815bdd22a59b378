"""Export of trained nets to formats that other programs read."""
