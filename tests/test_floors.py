"""A file imports lower floors and its own, never a higher one; floors 1 and 2 never meet but on floor 3."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
FLOORS = {
    0: "errors machine spec shelf parsers config config_checks vgg_table heads_table choices origins convert "
       "caffe_solver durable file_kinds schedules rates estimate receptive folders shell_commands ownership csv_text "
       "npz_file",
    1: "layouts/* encodings/* metrics/* images stored_values label_files sparse_ids pairs sources preflight inspect "
       "cache cache_build cache_file "
       "cache_open cache_partial augment batches show_batch csail_reader csail_writer foreign_hdf5 formats/* "
       "pretrained transplant class_weights averages expect demo demo_scenes demo_drawing "
       "checkpoint_files checkpoint_choice pictures curves runlog record report screen compare run_facts "
       "run_differences signals windows merging resampling plan matrices iou protocols intervals permutation "
       "detectors anchors subsets results "
       "results_table evaluation against page sections/* gallery behind outputs subject "
       "eval_flags png_text manifest result_folder",
    2: "tf1 device layers vgg heads upsampling blocks recompute nets/* losses/* model optimize optimizers",
    3: "checkpoint initial dataset csail_h5 stages preparation loop hooks evaluate export exports/* dry_run sanity "
       "training reporting events inference room scoring",
    4: "train_fcn eval_fcn",
}
FLOOR = {name: floor for floor, names in FLOORS.items() for name in names.split()}
FILES = sorted(p for p in (*ROOT.glob("*.py"), *ROOT.glob("fcn/**/*.py")) if p.name != "__init__.py")


def place(path):
    """'cache' or 'nets/*' of a file."""
    inside = path.relative_to(ROOT)
    if inside.parts[0] != "fcn":
        return path.stem
    return path.stem if len(inside.parts) == 2 else f"{inside.parts[1]}/*"


def imported(path):
    """Places that a file imports from this project, and whether it imports TensorFlow itself."""
    places, tensorflow = set(), False
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] if node.module != "fcn" else [f"fcn.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            tensorflow |= parts[0] == "tensorflow"
            if parts[0] == "fcn" and len(parts) > 1:
                places.add(f"{parts[1]}/*" if f"{parts[1]}/*" in FLOOR else parts[1])
    return places, tensorflow


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_imports_no_higher_floor(path):
    own = FLOOR[place(path)]
    for other in imported(path)[0]:
        assert FLOOR[other] <= own, f"{path.name} (floor {own}) imports {other} (floor {FLOOR[other]})"
        assert (own, FLOOR[other]) != (2, 1), f"{path.name} (TensorFlow) imports {other} (files)"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_tensorflow_comes_in_by_one_door(path):
    assert imported(path)[1] == (path.stem == "tf1")


def test_every_place_on_the_plan_exists():
    assert {place(p) for p in FILES} == set(FLOOR)
