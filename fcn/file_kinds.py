"""What a file that is not the image it should be is, told by its first bytes."""

import pathlib

TEXTS = (  # first bytes in lower case, what that is, what to do
    (b"<!doctype", "starts with <!DOCTYPE: a web page was saved", "download it again; its address may want a login."),
    (b"<html", "starts with <html: a web page was saved", "download it again; its address may want a login."),
    (b"<?xml", "starts with <?xml: a page or an error message was saved", "download it again."),
    (b"version https://git-lfs", "a git-lfs pointer", "`git lfs pull` in the data set's folder fetches the image."),
)
FORMATS = (  # first bytes, at which offset, Pillow's name of the format
    (b"\xff\xd8\xff", 0, "JPEG"), (b"\x89PNG", 0, "PNG"), (b"BM", 0, "BMP"), (b"WEBP", 8, "WEBP"), (b"GIF8", 0, "GIF"),
    (b"II*\0", 0, "TIFF"), (b"MM\0*", 0, "TIFF"), (b"ftyphe", 4, "HEIC"), (b"ftypmif", 4, "HEIC"),
    (b"ftypavi", 4, "AVIF"), (b"%!PS", 0, "EPS"), (b"%PDF", 0, "PDF"), (b"PK\x03\x04", 0, "ZIP"),
    (b"MATLAB", 0, "MATLAB"), (b"\x89HDF", 0, "HDF5"),
)


def described(path, kind, formats):
    """(what is wrong with a file that does not open as a `kind` in one of `formats`, what to do)."""
    with pathlib.Path(path).open("rb") as file:
        start, size = file.read(64), file.seek(0, 2)
    if not size:
        return "is not an image (0 bytes)", "download or copy it again."
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for first, what, cure in TEXTS:
        if text.startswith(first):
            return f"is not an image ({what})", cure
    name = next((name for first, offset, name in FORMATS if start[offset:].startswith(first)), None)
    if name in formats:
        return f"is damaged or cut off in its {name} header ({size:,} bytes)", "download or copy it again."
    wanted = f"a {kind} is {' or '.join(formats)}"
    if name == "JPEG":
        return f"has the format JPEG, {wanted}", "JPEG smears ids at every edge; export it again without " \
            "loss, or give --label-encoding binary if these are black and white masks."
    if name == "MATLAB" and kind == "label":
        return f"has the format MATLAB, {wanted}", "give --label-encoding mat_groundtruth if it holds `groundtruth`."
    if name:
        return f"has the format {name}, {wanted}", "convert it."
    return f"is not an image (starts with {start[:16]!r})", f"{wanted}; download or convert it again."
