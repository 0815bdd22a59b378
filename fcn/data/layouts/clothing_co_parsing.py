"""Clothing Co-Parsing (Yang, Luo & Lin 2014): street photos of people, with 59 classes of clothing.

    photos/0001.jpg   annotations/pixel-level/0001.mat   label_list.mat        split.csv, or a drawn split

A label is a MATLAB file with class ids (label_formats/mat_groundtruth.py). 1,004 of the 2,098 images have one; the
others have image-level labels (annotations/image-level), which are not used.
"""

import pathlib

from fcn.core import errors
from fcn.data.label_formats import _mat5
from fcn.data.layouts import _classes, _rows

# label_list.mat, by id. 0, "null", is the background: all but clothing and people. It is labelled as carefully as the
# rest, so it is a class and not ignored (--ignore-label 0 ignores it).
NAMES = ("null", "accessories", "bag", "belt", "blazer", "blouse", "bodysuit", "boots", "bra", "bracelet", "cape",
         "cardigan", "clogs", "coat", "dress", "earrings", "flats", "glasses", "gloves", "hair", "hat", "heels",
         "hoodie", "intimate", "jacket", "jeans", "jumper", "leggings", "loafers", "necklace", "panties", "pants",
         "pumps", "purse", "ring", "romper", "sandals", "scarf", "shirt", "shoes", "shorts", "skin", "skirt",
         "sneakers", "socks", "stockings", "suit", "sunglasses", "sweater", "sweatshirt", "swimwear", "t-shirt", "tie",
         "tights", "top", "vest", "wallet", "watch", "wedges")
ROWS = (_rows.Row("photos/{name}.jpg", "annotations/pixel-level/{name}.mat", partial=True),)
EXPECTED = "the clothing_co_parsing layout has photos, annotations/pixel-level and label_list.mat"


recognise, _, listing = _rows.functions(ROWS)


def spec(root, classes="", ignore_label=None):
    """The 59 classes, with the names of label_list.mat if it exists. Raises DataError."""
    path = pathlib.Path(root) / "label_list.mat"
    names = tuple(_mat5.read_texts(path, "label_list")) if path.is_file() else NAMES
    if len(names) != len(NAMES) or names[0] != NAMES[0] or not all(names):
        raise errors.DataError(f"names {len(names)} classes, starting with '{names[0] if names else ''}'; expected "
                               f"{len(NAMES)}, starting with 'null'", where=path, fix="download the file again.")
    return _classes.spec(root, classes, ignore_label, class_names=names, ignored_ids=(), encoding="mat_groundtruth")
