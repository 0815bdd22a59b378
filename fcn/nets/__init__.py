"""One file a net: the file's name is the value of --net. Contract: CHOICES and build(), see fcn8s.py."""
