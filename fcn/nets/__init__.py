"""One file a net: the file's name is the value of --net. Contract: build(), see fcn8s.py."""
