"""Cityscapes (Cordts et al. 2016): street scenes of 50 cities, 2,975 + 500 + 1,525 images of 2048x1024 pixels.

    leftImg8bit/{train,val,test}/CITY/*_leftImg8bit.png       gtFine/{train,val,test}/CITY/*_gtFine_labelTrainIds.png
                                                              or the published *_gtFine_labelIds.png

The classes are the 19 of the official evaluation, by their train ids; all others are ignored (255). The published
labels hold 34 label ids, which are mapped to train ids; cityscapesscripts.preparation.createTrainIdLabelImgs writes
labels of train ids. Predictions hold train ids; the evaluation server expects label ids.
Labels of the test split are published without classes: it cannot be scored.
Source of ids, names and colours: mcordts/cityscapesScripts, cityscapesscripts/helpers/labels.py.
"""

from fcn.data.layouts import _rows
from fcn.data.spec import VOID_ID

CLASSES = (  # by train id: name, label id, colour
    ("road", 7, (128, 64, 128)),
    ("sidewalk", 8, (244, 35, 232)),
    ("building", 11, (70, 70, 70)),
    ("wall", 12, (102, 102, 156)),
    ("fence", 13, (190, 153, 153)),
    ("pole", 17, (153, 153, 153)),
    ("traffic light", 19, (250, 170, 30)),
    ("traffic sign", 20, (220, 220, 0)),
    ("vegetation", 21, (107, 142, 35)),
    ("terrain", 22, (152, 251, 152)),
    ("sky", 23, (70, 130, 180)),
    ("person", 24, (220, 20, 60)),
    ("rider", 25, (255, 0, 0)),
    ("car", 26, (0, 0, 142)),
    ("truck", 27, (0, 0, 70)),
    ("bus", 28, (0, 60, 100)),
    ("train", 31, (0, 80, 100)),
    ("motorcycle", 32, (0, 0, 230)),
    ("bicycle", 33, (119, 11, 32)),
)
IMAGES = "leftImg8bit/{split}/*/{name}_leftImg8bit.png"
LABELS = "gtFine/{split}/*/{name}_gtFine_%s.png"
ROWS = (_rows.Row(IMAGES, LABELS % "labelTrainIds"),
        _rows.Row(IMAGES, LABELS % "labelIds", {"remap": tuple((label, i) for i, (_, label, _) in enumerate(CLASSES))}))
EXPECTED = f"the cityscapes layout has {ROWS[0].images} and {ROWS[0].labels} or {ROWS[1].labels}"

recognise, spec, listing = _rows.functions(
    ROWS, class_names=tuple(name for name, _, _ in CLASSES), colours=tuple(colour for _, _, colour in CLASSES),
    ignored_ids=(VOID_ID,))
