"""Files that data sets turn out to hold, as bytes: photos that are converted, and files that are refused."""

import io
import os
import socket
import struct
import zlib

import numpy as np
from PIL import Image

SIZE = 48, 64  # height, width of all photos that can be read
RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (*SIZE, 3), np.uint8)


def encoded(picture, kind="JPEG", **options):
    """The bytes of an array or Pillow image in this format."""
    buffer = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def array(values):
    """The bytes of an .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=True)
    return buffer.getvalue()


def exif(orientation):
    found = Image.Exif()
    found[0x0112] = orientation
    return found


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, bits, colours, rows, *more):
    """A PNG written by hand. bits: a channel; colours: the format's colour type; rows: bytes with filter bytes."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def changed(content, place, value):
    return content[:place] + bytes([value]) + content[place + 1:]


PLAIN, LOSSLESS = encoded(NOISE), encoded(NOISE, "PNG")
IMAGE, GREY = Image.fromarray(NOISE), NOISE[..., 0]
GREY16 = Image.fromarray(GREY.astype(np.uint16) * 257)
SCAN = PLAIN.index(b"\xff\xda") + 14  # where a JPEG's entropy-coded pixels begin
CHECKSUM = LOSSLESS.index(b"IEND") - 5  # last byte of the last IDAT's checksum
BOMB = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(3_000_000)))

# name: (content, what reading does to it, in the words of images.conversions)
READ = {
    "plain.jpg": (PLAIN, ()),
    "truly a JPEG.PNG": (PLAIN, ()),
    "grey.jpg": (encoded(IMAGE.convert("L")), ("grey image repeated to RGB",)),
    "CMYK.jpg": (encoded(IMAGE.convert("CMYK")), ("CMYK image converted to RGB",)),
    "progressive.jpg": (encoded(NOISE, progressive=True), ()),
    "flipped bits in the scan.jpg": (changed(PLAIN, SCAN + 700, PLAIN[SCAN + 700] ^ 1), ()),
    "alpha.png": (encoded(IMAGE.convert("RGBA"), "PNG"), ("transparent pixels blended with white",)),
    "grey alpha.png": (encoded(IMAGE.convert("LA"), "PNG"),
                       ("grey image repeated to RGB", "transparent pixels blended with white")),
    "sixteen bits.png": (encoded(GREY16, "PNG"), ("grey image repeated to RGB", "16-bit image scaled to 8 bits")),
    "sixteen bits RGB.png": (png(64, 48, 16, 2, 48 * (b"\0" + bytes(64 * 6))), ("16-bit image scaled to 8 bits",)),
    "palette.png": (encoded(IMAGE.convert("P"), "PNG"), ("palette applied",)),
    "one bit.png": (encoded(IMAGE.convert("1"), "PNG"), ("grey image repeated to RGB",)),
    "wrong checksum.png": (changed(LOSSLESS, CHECKSUM, LOSSLESS[CHECKSUM] ^ 1), ()),
    "animated.png": (encoded(NOISE, "PNG", save_all=True, append_images=[Image.new("RGB", SIZE[::-1])]),
                     ("first frame of an animation",)),
    "animated.webp": (encoded(NOISE, "WEBP", save_all=True, append_images=[Image.new("RGB", SIZE[::-1])],
                              lossless=True), ("first frame of an animation",)),
    "windows.bmp": (encoded(NOISE, "BMP"), ()),
    "a scan.tif": (encoded(NOISE, "TIFF"), ()),
    "truly a TIFF.jpg": (encoded(NOISE, "TIFF", compression="tiff_lzw"), ()),
    "grey.tif": (encoded(IMAGE.convert("L"), "TIFF"), ("grey image repeated to RGB",)),
    "palette.tif": (encoded(IMAGE.convert("P"), "TIFF"), ("palette applied",)),
    "sixteen bits.tif": (encoded(GREY16, "TIFF"), ("grey image repeated to RGB", "16-bit image scaled to 8 bits")),
    "array.npy": (array(NOISE), ()),
    "sixteen bits.npy": (array(NOISE.astype(np.uint16) * 257), ("16-bit image scaled to 8 bits",)),
}

# name: (content, what the message says); the header already tells
REFUSED = {
    "empty.jpg": (b"", "is not an image but empty (0 bytes)"),
    "a web page.jpg": (b"<!DOCTYPE html><html>404</html>", "is not an image but a web page (31 bytes)"),
    "a lower case page.png": (b"\n<html><body>", "is not an image but a web page (13 bytes)"),
    "a git-lfs pointer.jpg": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "git lfs pull"),
    "an animation.jpg": (encoded(IMAGE, "GIF", save_all=True, append_images=[Image.new("RGB", SIZE[::-1])]),
                         "has the format GIF, expected JPEG or PNG or BMP or WEBP"),
    "a program.jpg": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is not an image but an EPS drawing"),
    "a scan of numbers.jpg": (encoded(GREY.astype(np.float32), "TIFF"), "has values of float32, expected 8 or 16 bits"),
    "numbers.npy": (array(GREY.astype(np.float32)), "is an array (48, 64) of float32, expected"),
    "objects.npy": (array(np.array([{}])), "a pickle"),
    "cut.npy": (array(NOISE)[:-1], "is not a usable .npy file"),
    "four bands.npy": (array(np.dstack([NOISE, GREY])), "has 4 bands, expected 3"),
    "text.jpg": (b"not found\n", "starts with b'not found"),
    "cut in its header.jpg": (PLAIN[:100], "the file has 100 bytes"),
    "no width.png": (png(0, 3, 8, 0, b""), "has a damaged or truncated PNG header"),
    "144 megapixels.png": (png(12000, 12000, 8, 0, b"\0"), "12000x12000 pixels are more than the limit of 64,"),
    "a lie.png": (png(2 ** 31 - 1, 2 ** 31 - 1, 8, 0, b"\0"), "raise --max-pixels"),
    "a bomb of text.png": (png(1, 1, 8, 0, b"\0\0", BOMB), "MAX_TEXT_CHUNK"),
}

# name: (content, what the message says); only decoding tells
CUT = {
    "cut in half.jpg": (PLAIN[:len(PLAIN) // 2], f"the file has {len(PLAIN) // 2:,} bytes"),
    "cut in half.png": (LOSSLESS[:len(LOSSLESS) // 2], f"the file has {len(LOSSLESS) // 2:,} bytes"),
}

# (EXIF orientation, (height, width) of the label): whether a photo of 48 x 64 is turned for it; None: no such pair
ORIENTED = {
    (1, (48, 64)): False, (1, (64, 48)): None,
    (2, (48, 64)): False, (3, (48, 64)): False, (4, (48, 64)): False, (3, (64, 48)): None,
    **{(turn, (48, 64)): False for turn in (5, 6, 7, 8)}, **{(turn, (64, 48)): True for turn in (5, 6, 7, 8)},
    (6, (64, 64)): None, (6, (24, 32)): None,
}


def special(folder):
    """{name: (path, what the message says)} of things in `folder` that no photo can be."""
    (folder / "a folder.jpg").mkdir()
    os.mkfifo(folder / "a pipe.jpg")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "s"))  # its name may not be long
    (folder / "a link to nowhere.jpg").symlink_to("nowhere")
    (folder / "a loop.jpg").symlink_to("a loop.jpg")
    (folder / "a device.jpg").symlink_to("/dev/zero")
    return {"a folder": (folder / "a folder.jpg", "is not a regular file but a folder"),
            "a pipe": (folder / "a pipe.jpg", "is not a regular file but a pipe"),
            "a socket": (folder / "s", "is not a regular file but a socket"),
            "a device": (folder / "a device.jpg", "is not a regular file but a device"),
            "a link to nowhere": (folder / "a link to nowhere.jpg", "is a broken link"),
            "a loop": (folder / "a loop.jpg", "cannot be read: Too many levels of symbolic links"),
            "a missing file": (folder / "missing.jpg", "is missing")}
