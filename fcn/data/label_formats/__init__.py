"""Label formats, one file each: how a label file stores class ids.

A file defines

    SUFFIXES                                tuple of file suffixes in lower case, such as (".png",); layouts list the
                                            files of all label formats
    SUFFIX                                  suffix of the files that write() makes
    size(path, max_pixels) -> (h, w)        size in pixels, from the header
    read(path, spec, max_pixels) -> ids     class ids, uint8 (h, w), or uint16 if one is above 255; spec is the
                                            DatasetSpec of the data set. Its remap is applied afterwards
    write(path, ids, spec)                  write class ids, spec.id_dtype (h, w), such as a prediction. An existing
                                            file is replaced as a whole (images.write_png)

size and read raise DataError for a file that they cannot read, or with more than max_pixels pixels. read() gives back
what write() wrote, for all ids of the spec.

A file may define

    WRITES_ID_PNG = False                   whether write() makes one-channel PNGs of ids, as the ADE20K server expects
"""

REQUIRED = ("SUFFIXES", "SUFFIX", "size(path, max_pixels)", "read(path, spec, max_pixels)", "write(path, ids, spec)")
OPTIONAL = {"WRITES_ID_PNG": False}
