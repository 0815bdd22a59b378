"""One file a way in which label files hold class ids. Contract: SUFFIXES, SUFFIX, size, read and write, see ids.py."""
