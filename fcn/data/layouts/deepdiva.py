"""DeepDIVA's ordinary data set: the blue channel of a label is the number of the class, red and green are 0.

    {train,val,test}/data/*.png   {train,val,test}/gt/*.png

The folders are those of DIVA-HisDB, so a sample of the labels is read (_blue_values.py). If its values fit both
layouts, DIVA-HisDB is chosen.
Source: DIVA-DIA/DeepDIVA, documentation of semantic segmentation.
"""

from fcn.data.layouts import _blue_values, _classes, _parallel, diva_hisdb

FOLDERS = diva_hisdb.FOLDERS
EXPECTED = FOLDERS.expected("deepdiva")
NARROWER_THAN = ("diva_hisdb",)


def recognise(root):
    """Why `root` has this layout, or ""."""
    where = _parallel.recognise(root, FOLDERS)
    why = _blue_values.numbers(_parallel.found(root, FOLDERS)[1])[0] if where else ""
    return f"{where}, and {why}" if why else ""


def spec(root, classes="", ignore_label=None):
    """Classes of a class file, else counted from the labels; none is ignored."""
    return _classes.spec(root, classes, ignore_label, encoding="blue", ignored_ids=())


def listing(root, split):
    """The Listing of a split. Raises DataError if a folder is missing or empty."""
    return _parallel.listing(root, split, FOLDERS, EXPECTED, label_stem=diva_hisdb.image_stem)
