"""The HDF5 cache of a data set: file format, building, reading."""
