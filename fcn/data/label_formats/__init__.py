"""One file per label format: how a label file holds class ids.

    SUFFIXES        endings, in lower case, that its files may have; layouts list the files of all label formats
    SUFFIX          the ending of what write() makes
    size(path, max_pixels) -> (height, width)       from the header alone
    read(path, spec, max_pixels) -> uint8 (height, width)       class ids; spec is the DatasetSpec
    write(path, ids, spec)                          writes a prediction; replace the file as a whole (images.write_png)
size and read raise DataError for a file of another format. What write() makes, read() reads, for all ids of the spec.
Optional:
    WRITES_ID_PNG   write() makes one-channel PNGs of ids, as the ADE20K server takes
"""

REQUIRED = ("SUFFIXES", "SUFFIX", "size(path, max_pixels)", "read(path, spec, max_pixels)", "write(path, ids, spec)")
OPTIONAL = {"WRITES_ID_PNG": False}
