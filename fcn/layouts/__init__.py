"""One file a data-set layout: its name is the value of --layout. Contract: recognise, spec, listing; see ade20k.py."""
