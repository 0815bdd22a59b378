"""One file a data-set layout: the file's name is the value of --layout. Contract: spec() and pairs(), see ade20k.py."""
