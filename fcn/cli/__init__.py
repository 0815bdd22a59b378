"""The commands: flags, what they print, and the order of the work. One module per command."""
