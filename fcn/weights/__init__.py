"""Reading of published weight files and transfer of weights into a net."""
