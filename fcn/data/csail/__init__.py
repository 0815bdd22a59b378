"""The HDF5 file of the MIT Scene Parsing benchmark's Torch code: reading and writing."""
