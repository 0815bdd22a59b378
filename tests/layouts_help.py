"""Trees of empty files in the folders of every layout, and what a Listing says of them."""

from fcn.data.layouts import ade20k, binary_masks, camvid, clothing_co_parsing, diva_hisdb, paired, voc

FOLDERS = {  # of photos and of labels, with the split in them; and the labels' ending
    ade20k: ("images/{}", "annotations/{}", ".png"),
    paired: ("{}/images", "{}/targets", ".png"),
    binary_masks: ("{}/images", "{}/masks", ".jpg"),
    camvid: ("{}", "{}annot", ".png"),
    diva_hisdb: ("{}/data", "{}/gt", ".png"),
}
FLAT = {paired: ("images", "labels", ".png"), binary_masks: ("images", "masks", ".jpg"),
        clothing_co_parsing: ("photos", "annotations/pixel-level", ".mat"),
        voc: ("JPEGImages", "SegmentationClass", ".png")}


def tree(root, folders, photos, labels):
    """Empty files of these names below root, in two folders."""
    for folder, names in zip(folders, (photos, labels), strict=False):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for name in names:
            path = root / folder / name
            path.parent.mkdir(exist_ok=True)
            path.touch()
    return root


def split_tree(root, layout, photos, labels, split="training"):
    return tree(root, [folder.format(split) for folder in FOLDERS[layout][:2]], photos, labels)


def flat_tree(root, layout, stems):
    photos, labels, ending = FLAT[layout]
    return tree(root, (photos, labels), [stem + ".jpg" for stem in stems], [stem + ending for stem in stems])


def names(listing):
    return [(pair.name, pair.image.name, pair.label.name) for pair in listing.pairs]


def problem_texts(listing):
    """File names of the Problems, with the reasons."""
    return [f"{problem.path.name}: {problem.reason}" for problem in listing.problems]
