"""Read image files as arrays of 3 (RGB) or another number of channels, resize images and labels, write PNGs and JPEGs.

Files are opened with Pillow and an explicit list of formats, because some of Pillow's decoders start other programs.
TIFF and .npy files, which may have any number of bands, are read by tiff.py and npy.py. Files are written with Pillow.
Damaged pixels inside a JPEG are not detected: its decoder only warns, and Pillow does not report the warning.
"""

import contextlib
import dataclasses
import io
import pathlib
import struct
import threading

import numpy as np
from PIL import Image, UnidentifiedImageError

from fcn.core import atomic_io, errors, file_kinds
from fcn.data import npy, png_values, tiff
from fcn.data.spec import MAX_PIXELS

IMAGE_FORMATS = ("JPEG", "PNG", "BMP", "WEBP")  # that Pillow reads
ARRAY_FORMATS = {"TIFF": tiff, "NPY": npy}
ARRAY_STARTS = {b"II*\0": "TIFF", b"MM\0*": "TIFF", b"II+\0": "TIFF", b"MM\0+": "TIFF", b"\x93NUM": "NPY"}
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", *tiff.SUFFIXES, *npy.SUFFIXES)
SIXTEEN_BIT = ("I;16", "I;16B", "I;16L", "I")  # Pillow's modes of a grey image
GREY = ("1", "L", "LA", *SIXTEEN_BIT)
ORIENTATION, SIDEWAYS = 0x0112, 5  # EXIF tag, and the first of its values that swaps height and width
UPRIGHT = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
           5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
           8: Image.Transpose.ROTATE_90}
METADATA = ("exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif")  # metadata that may contain an orientation
SIXTEEN_TO_EIGHT = "16-bit image scaled to 8 bits"
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error)  # raised by Pillow for damaged files

_pillow_limit = threading.Lock()


@dataclasses.dataclass(frozen=True)
class Header:
    """Header of an image file. width, height: as stored, in pixels.

    mode, format: Pillow's names; mode is "" for an array that is neither grey, palette nor RGB. orientation: EXIF
    value, 1 to 8. bits: per channel, 8 or 16. transparent: has an alpha channel or a transparent colour. frames: more
    than 1 for an animation. bands: values per pixel, with alpha. channels: of the array that decoded() makes.
    """

    width: int
    height: int
    mode: str
    format: str
    orientation: int = 1
    bits: int = 8
    transparent: bool = False
    frames: int = 1
    bands: int = 3
    channels: int = 3


def header(path, formats, kind, max_pixels=MAX_PIXELS):
    """The Header of a regular file. Raises DataError.

    formats: Pillow's names of the formats that are read. kind: "image" or "label", for messages.
    """
    with _file(path, formats, kind, max_pixels) as (_, found):
        return found


@contextlib.contextmanager
def opened(path, formats, kind, max_pixels=MAX_PIXELS):
    """Context manager of the Pillow image of a regular file, with its first frame decoded. Arguments as in header().

    Raises DataError.
    """
    with _file(path, formats, kind, max_pixels) as (image, _):
        with _decoding(path):
            image.load()
        yield image


@contextlib.contextmanager
def image_file(path, max_pixels=MAX_PIXELS, channels=3):
    """Context manager of (image, not yet decoded; Header), the arguments of decoded(). Raises DataError.

    channels: of the array that decoded() makes; None accepts files with any number of bands.
    """
    path = pathlib.Path(path)
    with _decoding(path):
        kind = _array_format(path)
    if kind:
        found = _array_header(kind, ARRAY_FORMATS[kind].header(path, max_pixels))
        yield path, _with_channels(path, found, channels)
        return
    with _file(path, IMAGE_FORMATS, "image", max_pixels) as (image, found):
        yield image, _with_channels(path, found, channels)


def image_header(path, max_pixels=MAX_PIXELS, channels=3):
    """The Header of an image file. Raises DataError. Arguments as in image_file()."""
    with image_file(path, max_pixels, channels) as (_, found):
        return found


def _array_format(path):
    """A key of ARRAY_FORMATS, by the first bytes of a regular file; None for other files."""
    file_kinds.check_regular(path)
    with path.open("rb") as file:
        return ARRAY_STARTS.get(file.read(4))


def _array_header(kind, found):
    """The Header of an array file. found: tiff.Header."""
    mode = "P" if found.palette is not None else {1: "L", 3: "RGB"}.get(found.bands, "")
    return Header(found.width, found.height, mode, kind, found.orientation, found.bits,
                  bands=3 if mode == "P" else found.bands)


def _with_channels(path, found, channels):
    """The Header with its number of channels. Raises DataError if the file has another number of bands.

    3 channels: grey is repeated, and alpha is blended. 1 channel: the alpha of a grey image is blended.
    """
    blends = found.format not in ARRAY_FORMATS and (channels == 3 or (channels == 1 and found.mode in GREY))
    if not (blends or channels in (None, found.bands) or (channels == 3 and found.bands == 1)):
        def bands(count):
            return f"{count} band{'s' * (count > 1)}"
        raise errors.DataError(f"has {bands(found.bands)}, expected {channels}", where=path,
                               fix=f"give --channels {found.bands} to fcn train or fcn inspect for images of "
                                   f"{bands(found.bands)}, or convert this one to {bands(channels)}.")
    return dataclasses.replace(found, channels=channels or found.bands)


def read_image(path, upright=False, max_pixels=MAX_PIXELS, size_px=None, channels=3):
    """Read an image file, uint8 (height, width, channels), read-only. Raises DataError.

    upright: rotate by the EXIF orientation; by default the image is as stored, like most labels. size_px: (height,
    width) to resize to, see decoded(). channels: 3 for RGB.
    """
    with image_file(path, max_pixels, channels) as (image, found):
        return decoded(image, found, upright, size_px)


def decoded(image, found, upright=False, size_px=None):
    """Decode an open image with its Header `found`: the result of read_image().

    16 bits are scaled (not clipped) to 8, and palettes are applied. For 3 channels, grey is repeated, CMYK is converted
    and transparent pixels are blended with white. For 2 or 4 channels, alpha is the last one, not blended. With
    size_px, an RGB JPEG of at least twice that size is decoded at 1/2, 1/4 or 1/8 of its size, which takes half the
    time. Values then differ from those of resize_image() by 1 in the mean, as much as bilinear and bicubic resizing
    differ.
    """
    stored_px = size_px and _stored_size(size_px, found, upright)
    drafted = image.draft("RGB", stored_px) if size_px and _may_draft(found) else None
    box = drafted and drafted[1]  # the part with the image, whose height and width need not be multiples of 2, 4 or 8
    return _finished(_planes(image, found), found, upright, stored_px, box)


def decoded_at_both(image, found, upright, size_px):
    """(image, image at size_px): the results of two calls of decoded(), with one decoding.

    Only a JPEG that decoded() decodes at a fraction of its size is decoded a second time. Without size_px, both are the
    same array.
    """
    planes = _planes(image, found)
    whole = _finished(planes, found, upright)
    if size_px is None:
        return whole, whole
    stored_px = _stored_size(size_px, found, upright)
    if _may_draft(found) and found.width // stored_px[0] >= 2 and found.height // stored_px[1] >= 2:
        return whole, read_image(image.filename, upright, found.width * found.height, size_px)
    return whole, _finished(planes, found, upright, stored_px)


def _may_draft(found):
    """Whether the file can be decoded at a fraction of its size."""
    return found.format in ("JPEG", "MPO") and found.channels == 3


def _stored_size(size_px, found, upright):
    """(width, height) for resizing the stored image, so that it has size_px (height, width) after the rotation."""
    sideways = upright and found.orientation in UPRIGHT and found.orientation >= SIDEWAYS
    return tuple(size_px) if sideways else tuple(size_px[::-1])


def _finished(planes, found, upright, stored_px=None, box=None):
    """The array of decoded planes, resized to stored_px (width, height) if given, then rotated if `upright`.

    planes: of _planes().
    """
    turn = UPRIGHT.get(found.orientation) if upright else None
    if stored_px:
        planes = [plane.resize(stored_px, Image.Resampling.BILINEAR, box) for plane in planes]
    arrays = [np.asarray(plane if turn is None else plane.transpose(turn)) for plane in planes]
    return arrays[0] if found.channels == 3 else np.stack(arrays, axis=2)


def _planes(image, found):
    """Decoded Pillow images: one RGB image for 3 channels, otherwise a grey image of 8 bits for each channel."""
    if found.format in ARRAY_FORMATS:
        values = _array_values(image, found)
        values = values if values.ndim == 3 else values[..., None]
        if found.channels == 3:
            return [Image.fromarray(np.ascontiguousarray(np.broadcast_to(values, (*values.shape[:2], 3))))]
        return [Image.fromarray(np.ascontiguousarray(values[..., i])) for i in range(found.channels)]
    if found.channels == 3:
        return [_rgb(image, found)]
    if found.channels == 1:
        return [_rgb(image, found).getchannel(0)]
    with _decoding(image.filename):
        image.load()
    return image.convert({2: "LA", 4: "RGBA"}.get(found.channels, "RGB")).split()


def _array_values(path, found):
    """Values of a TIFF or .npy file as uint8 (h, w) or (h, w, bands)."""
    module, max_pixels = ARRAY_FORMATS[found.format], found.width * found.height * max(1, found.bands)
    values = module.read(path, max_pixels)
    if found.mode == "P":
        return module.header(path, max_pixels).palette[values]
    return (values >> 8).astype(np.uint8) if values.dtype.itemsize == 2 else values


def _rgb(image, found):
    with _decoding(image.filename):
        image.load()
    key = image.info.get("transparency")
    if isinstance(key, int | tuple) and image.mode in ("L", "RGB", *SIXTEEN_BIT):
        return _without(image, key)
    if image.mode in SIXTEEN_BIT:
        return _eight_bits(image).convert("RGB")
    if found.transparent:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bits(image):
    return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))


def _without(image, colour):
    """RGB with white for the transparent colour of a PNG. `colour` is compared before 16 bits are scaled to 8."""
    stored = png_values.stored(image)
    clear = stored == colour if stored.ndim == 2 else (stored == colour).all(axis=2)
    rgb = np.array((_eight_bits(image) if image.mode in SIXTEEN_BIT else image).convert("RGB"))
    rgb[clear] = 255
    return Image.fromarray(rgb)


def largest_value(path, max_pixels=MAX_PIXELS):
    """The largest stored value of an image file, without alpha: up to 255, or 65,535 for 16 bits. Raises DataError."""
    kind = _array_format(pathlib.Path(path))
    if kind:
        return int(ARRAY_FORMATS[kind].read(path, max_pixels).max())
    with opened(path, IMAGE_FORMATS, "image", max_pixels) as image:
        stored = png_values.stored(image)
    colours = stored if stored.ndim == 2 else stored[..., :-1] if stored.shape[2] in (2, 4) else stored
    return int(colours.max(initial=0))


def is_turned(found, label_size):
    """Whether a label of this (height, width) fits the image rotated by its EXIF orientation, not the stored image."""
    turned_size = found.width, found.height
    return found.orientation >= SIDEWAYS and found.width != found.height and tuple(label_size) == turned_size


def conversions(found):
    """The conversions of read_image() for an image with this Header, as texts; () if values are as stored."""
    kinds = {"grey image repeated to RGB": found.mode in GREY and found.channels == 3,
             "palette applied": found.mode == "P",
             "CMYK image converted to RGB": found.mode == "CMYK",
             "transparent pixels blended with white": found.transparent and found.channels != found.bands,
             SIXTEEN_TO_EIGHT: found.bits == 16,
             "first frame of an animation": found.frames > 1}
    return tuple(kind for kind, is_so in kinds.items() if is_so)


@contextlib.contextmanager
def _file(path, formats, kind, max_pixels):
    """(Pillow image, not yet decoded; Header). Errors of the `with` body pass through, except MemoryError."""
    path = pathlib.Path(path)
    try:
        with _open(path, formats, kind) as image:
            if image.width * image.height > max_pixels:
                raise errors.DataError(f"{image.height}x{image.width} pixels are more than the limit of "
                                       f"{max_pixels:,}", where=path,
                                       fix="if this size is right, raise --max-pixels.")
            with _decoding(path):
                found = _header(image)
            yield image, found
    except MemoryError:
        raise errors.DataError("does not fit into memory", where=path, fix="make it smaller.") from None


def _open(path, formats, kind):
    """Open a regular file in one of `formats` as a Pillow image. Raises DataError."""
    with _decoding(path):
        try:
            file_kinds.check_regular(path)
            return _open_of_any_size(path, formats)
        except UnidentifiedImageError:
            what, fix = file_kinds.described(path, kind, formats + (("TIFF", "NPY") if kind == "image" else ()))
            raise errors.DataError(what, where=path, fix=fix) from None


def _open_of_any_size(path, formats):
    """Image.open without Pillow's limit of pixels, which is one for the whole process; max_pixels takes its place."""
    with _pillow_limit:
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(path, formats=formats)
        finally:
            Image.MAX_IMAGE_PIXELS = before


@contextlib.contextmanager
def _decoding(path):
    """Convert Pillow's errors for a damaged file to DataError. Use it only around calls of Pillow."""
    path = pathlib.Path(path)
    try:
        yield
    except DAMAGE as error:
        if isinstance(error, OSError) and error.errno:  # an error of the system, not of the decoder
            raise errors.DataError(f"cannot be read: {error.strerror}", where=path,
                                   fix=errors.reading_fix(error)) from None
        raise errors.DataError(f"cannot be decoded ({error}); the file has {path.stat().st_size:,} bytes",
                               where=path, fix="download or copy the file again.") from None


def _header(image):
    """The Header of a Pillow image that is not yet decoded."""
    transparent = image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info
    return Header(image.width, image.height, image.mode, image.format, _orientation(image),
                  bits=16 if image.mode in SIXTEEN_BIT or ";16B" in str(image.tile) else 8,
                  transparent=transparent,
                  frames=1 if image.format == "MPO" else getattr(image, "n_frames", 1),  # an MPO's others: previews
                  bands=(1 if image.mode in GREY else 3) + (transparent and image.mode not in SIXTEEN_BIT))


def _orientation(image):
    if not any(key in image.info for key in METADATA):
        return 1
    image.info.setdefault("exif", None)  # without it, Pillow decodes a PNG to look for one at its end
    try:
        value = image.getexif().get(ORIENTATION, 1)
    except Exception:  # Pillow raises many types for damaged metadata, which do not matter here
        return 1
    return value if value in UPRIGHT else 1


def resize_image(image, size_px):
    """Resize an image uint8 (h, w, channels) to size_px = (height, width), bilinear with antialiasing."""
    if image.shape[2] == 3 or image.shape[:2] == tuple(size_px):
        return _resized(image, size_px, Image.Resampling.BILINEAR)
    return np.stack([_resized(np.ascontiguousarray(image[..., i]), size_px, Image.Resampling.BILINEAR)
                     for i in range(image.shape[2])], axis=2)


def as_rgb(images):
    """Images uint8 (..., channels) as RGB for pictures: the first three channels, or the first one repeated."""
    return images[..., :3] if images.shape[-1] >= 3 else np.repeat(images[..., :1], 3, axis=-1)


def resize_label(label, size_px):
    """Resize class ids (h, w) to size_px = (height, width) by nearest neighbour, with aligned pixel centres."""
    return _resized(label, size_px, Image.Resampling.NEAREST)


def _resized(array, size_px, how):
    if array.shape[:2] == tuple(size_px):
        return array
    return np.asarray(Image.fromarray(array).resize((size_px[1], size_px[0]), how))


def write_png(path, array):
    """Write uint8 (h, w) or (h, w, 3), or uint16 (h, w), as a PNG, by atomic_io.write_whole()."""
    _write(path, array, format="PNG")


def write_jpeg(path, array, quality=90):
    """Write uint8 (h, w, 3) as a JPEG without chroma subsampling, by atomic_io.write_whole()."""
    _write(path, array, format="JPEG", quality=quality, subsampling=0)


def _write(path, array, **options):
    content = io.BytesIO()
    Image.fromarray(array).save(content, **options)
    atomic_io.write_whole(path, content.getvalue(), sync=False)
