"""Which command has made a PNG: a word in its text chunk "Software", by which it knows its earlier pictures again."""

import io

from PIL import Image, PngImagePlugin

from fcn import images

KEYWORD = "Software"


def encoded(array, maker):
    """The bytes of a PNG of uint8 (h, w, 3) that says its maker, such as "fcn.compare"."""
    said, file = PngImagePlugin.PngInfo(), io.BytesIO()
    said.add_text(KEYWORD, maker)
    Image.fromarray(array).save(file, "PNG", pnginfo=said)
    return file.getvalue()


def made_by(path, maker):
    """Whether a file is a PNG that says this maker. Nothing of it is decoded."""
    try:
        if not path.is_file() or path.is_symlink():
            return False
        with Image.open(path, formats=("PNG",)) as image:
            return image.info.get(KEYWORD) == maker
    except images.DAMAGE:
        return False
