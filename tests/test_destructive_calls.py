"""Every call that can delete, rename or overwrite a file is in this table, with what protects the user's files there.

A new call makes the test fail until it has a row: first see whether atomic_io.write_whole, atomic_io.NewFile,
atomic_io.making or ownership.check_free will do.
"""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
FILES = sorted([*ROOT.glob("*.py"), *ROOT.glob("fcn/**/*.py"), *ROOT.glob("benchmarks/**/*.py")])

ASIDE = "a temporary name with a checksum of the name (ownership.temporary_path), flock held"
NEW = "the file is new: hard link or rename that refuses an existing name"
WORKSPACE = "inside ownership.workspace, a folder of this process alone"
RUN = "a run's folder: refused by record.check_folder if its files are not of a run"
EVALUATION = ("inside .NAME.unfinished, which ResultFolder.writing has made under a lock; report.html: "
              "result_folder.rewriting")
TEMPORARY = "inside tempfile.TemporaryDirectory or a folder that the benchmark has made there"
GUARDS = {
    "fcn/core/atomic_io.py:locked": "text of a lock file that is new or begins as ours; others are refused",
    "fcn/core/atomic_io.py:reserve": "an open descriptor of open_temporary",
    "fcn/core/atomic_io.py:rename": "its temporary file is ours; the caller proves the old file",
    "fcn/core/atomic_io.py:_rename_new": "its temporary file is ours; " + NEW,
    "fcn/core/atomic_io.py:NewFile.commit": ASIDE + "; the caller proves the old file",
    "fcn/core/atomic_io.py:NewFile.opened": "an open descriptor of open_temporary",
    "fcn/core/atomic_io.py:NewFile.__exit__": ASIDE,
    "fcn/core/atomic_io.py:write_whole": ASIDE,
    "fcn/core/atomic_io.py:write_json": "atomic_io.write_whole",
    "fcn/core/ownership.py:open_temporary": ASIDE,
    "fcn/core/ownership.py:workspace": ASIDE,
    "fcn/core/errors.py:run_command": "os.devnull",
    "fcn/core/errors.py:_unexpected": "tempfile.mkstemp: a new file",
    "fcn/training/checkpoint.py:Store.save":
        "the temporary folder of this checkpoint (ownership.temporary_path); the Saver writes there",
    "fcn/runs/checkpoint_files.py:sweep_unfinished": "only names of ownership.temporary_path",
    "fcn/runs/checkpoint_files.py:remove":
        "only a folder step-NNNNNN with our state.json or the Saver's index; only our files in it; the folder"
        " only if it is empty then",
    "fcn/runs/checkpoint_files.py:write_state": "state.json of a folder that Store.save has made or read",
    "fcn/data/cache/builder.py:_build":
        "under the cache's name only a cache that file_format.open_file proves",
    "fcn/data/cache/builder.py:_write_left_out": "a list that begins with our first line",
    "fcn/data/cache/builder.py:begin": "an open descriptor of open_temporary",
    "fcn/data/cache/file_format.py:skeleton": "HDF5 in memory",
    "fcn/data/coco/convert.py:_link": "symlink_to refuses an existing name",
    "fcn/data/csail/writer.py:_lay_out": ASIDE,
    "fcn/weights/demo.py:write_scenes":
        "folders that it makes itself (mkdir without exist_ok), the table by open('x')",
    "fcn/weights/demo.py:prepare": "only if nothing is there",
    "fcn/weights/demo.py:write_mat": "a file that the caller has opened",
    "fcn/data/label_formats/mat.py:write": "in memory, then atomic_io.write_whole",
    "fcn/weights/formats/npz.py:write": "formats/_weights.new_file: atomic_io.NewFile, new=True",
    "fcn/weights/formats/dagnn.py:write": "formats/_weights.new_file: atomic_io.NewFile, new=True",
    "fcn/export/writer.py:export": WORKSPACE + "; " + NEW,
    "fcn/export/formats/onnx.py:write": WORKSPACE,
    "fcn/export/formats/pb.py:write": WORKSPACE,
    "fcn/export/formats/tflite.py:write": WORKSPACE,
    "fcn/export/formats/savedmodel.py:write": WORKSPACE,
    "fcn/data/images.py:_write": "in memory, then atomic_io.write_whole",
    "fcn/data/render.py:encode_png": "in memory",
    "fcn/runs/curves.py:write_figure": "in memory, then atomic_io.write_whole; its callers are guarded",
    "fcn/runs/curves.py:draw": "curves.png of a run's folder",
    "fcn/runs/curves.py:draw_spread": "multi_run.listed: refused unless the PNG says fcn.train",
    "fcn/runs/multi_run.py:write": "multi_run.listed: refused unless the JSON has our keys",
    "fcn/runs/curves.py:overlay": "compare --out: refused unless the PNG says fcn.compare",
    "fcn/training/tensorboard.py:EventWriter.samples": "in memory",
    "fcn/training/tensorboard.py:EventWriter._add": "a file that _begin made, if it is empty",
    "fcn/training/tensorboard.py:EventWriter._begin": "open('x'): a new file",
    "fcn/data/dataset.py:keep_lists": RUN,
    "fcn/data/layouts/_split.py:write": RUN,
    "fcn/runs/record.py:write_record": RUN,
    "fcn/weights/transfer.py:write_report": RUN,
    "fcn/data/render.py:write_preview": "refused unless the PNG says that it is of --show-batch",
    "fcn/runs/run_log.py:cut": RUN,
    "fcn/runs/run_log.py:Log.__init__": RUN,
    "fcn/runs/run_log.py:Log.flush": RUN + "; a line that could not be written whole is cut off again",
    "fcn/training/trainer.py:Trainer.keep_batch": "in memory, then atomic_io.write_whole; " + RUN,
    "fcn/training/trainer.py:Trainer.save": "Store.save",
    "fcn/training/trainer.py:_train": "Store.save",
    "fcn/training/trainer.py:periodic": "Store.save",
    "fcn/metrics/confusion.py:ConfusionMatrices.save": "in memory, then atomic_io.write_whole",
    "fcn/reporting/gallery.py:id_png": "in memory",
    "fcn/reporting/gallery.py:jpeg": "in memory",
    "fcn/evaluation/manifest.py:write_manifest": "manifest.json of a folder that ResultFolder has made",
    "fcn/evaluation/manifest.py:remove": "only listed files, unchanged; all of an unfinished folder with our manifest",
    "fcn/evaluation/result_folder.py:settle": "our older results, back to a place where nothing is",
    "fcn/evaluation/result_folder.py:_take_place": "older results whose every file is in their manifest; under a lock",
    "fcn/reporting/gallery.py:Gallery.write": EVALUATION,
    "fcn/reporting/data_report.py:write_page": "inspect --html: refused unless the page says that it is of fcn inspect",
    "fcn/evaluation/results.py:save": EVALUATION,
    "fcn/reporting/html_report.py:write_page": EVALUATION,
    "fcn/evaluation/prediction_writer.py:PredictionWriter.probabilities": EVALUATION,
    "fcn/evaluation/prediction_writer.py:PredictionWriter.finish": EVALUATION,
    "fcn/api/scores.py:Scores.write_into": EVALUATION,
    "fcn/api/scores.py:Scores.save": "ownership.check_free: a page of this program, or a new name",
    "fcn/training/hooks.py:Evaluate._validate": "hooks.Save",
    "fcn/training/hooks.py:Stop.after_step": "hooks.Save",
    "fcn/distributed/joining.py:only_chief_prints": "os.devnull",
    "fcn/cli/reproduce.py:main": "ownership.check_free: reproduction.json of this command, or a new name",
    "fcn/cli/report.py:write_card": "ownership.check_free: a result card, or a new name",
    "benchmarks/ablation.py:main": "ablation.json: refused unless it parses as ours",
    "benchmarks/measuring.py:compact_memory": "/proc/sys/vm/compact_memory, which is no file on a disk",
    "benchmarks/measuring.py:write": "refused unless the JSON has our facts",
    "benchmarks/results.py:write": "what lies outside our markers is kept",
    "benchmarks/ablation.py:draw":
        "refused unless ablation.json beside it is ours",
    "benchmarks/results_plot.py:draw": "refused unless README.md beside it has our markers",
    "benchmarks/cache_build.py": TEMPORARY,
    "benchmarks/cache_checks.py:pages": TEMPORARY,
    "benchmarks/distributed_faults.py": TEMPORARY,
    "benchmarks/evaluation_batches.py:prepare": TEMPORARY,
    "benchmarks/evaluation_faults.py": TEMPORARY,
    "benchmarks/faults.py": TEMPORARY,
    "benchmarks/many_pairs.py": TEMPORARY,
    "benchmarks/scaling.py:draw": "docs/scaling.png of the repository",
    "benchmarks/small_run.py": TEMPORARY,
    "benchmarks/training_damage.py": TEMPORARY,
    "benchmarks/training_disks.py": TEMPORARY,
    "benchmarks/training_faults.py": TEMPORARY,
    "benchmarks/contender.py:Meter.__init__": "/proc/self/clear_refs",
    "benchmarks/contender.py:serve": "standard output; /proc/self/oom_score_adj",
}
ALWAYS = {"unlink", "rmtree", "rmdir", "rename", "renames", "write_text", "write_bytes", "truncate", "ftruncate",
          "savez", "savez_compressed", "savetxt", "tofile", "savefig", "imwrite", "imsave", "savemat", "save", "touch",
          "link", "symlink", "symlink_to", "hardlink_to", "copyfile", "copytree", "copy2", "move", "TFRecordWriter",
          "FileWriter", "removedirs", "mkstemp"}
OPENERS = {"open", "fdopen", "File", "ZipFile"}


def kind_of(call):
    """The name of a call that may destroy something, or ""."""
    function = call.func
    name = getattr(function, "attr", getattr(function, "id", ""))
    base = getattr(getattr(function, "value", None), "id", "")
    if name == "commit" and base in ("", "record"):  # record.commit(), of git
        return ""
    writes = name in ("write_whole", "write_json", "write_figure", "commit")
    if writes or (name == "rename" and base in ("", "durable")):
        new = next((k.value for k in call.keywords if k.arg == "new"), None)
        return "" if isinstance(new, ast.Constant) and new.value is True else name
    if name in ALWAYS:
        return name
    if name == "remove":
        return "os.remove" if base == "os" else ""
    if name == "replace":  # that of a path has one argument, that of a text two
        return name if base == "os" or (base != "dataclasses" and len(call.args) == 1 and not call.keywords) else ""
    if name not in OPENERS:
        return ""
    if base == "os" and name == "open":
        return name if "os.O_CREAT" in ast.unparse(call.args[1]) or "os.O_TRUNC" in ast.unparse(call.args[1]) else ""
    modes = [*call.args, *(k.value for k in call.keywords if k.arg == "mode")]
    texts = [a.value for a in modes if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    opens = any(set(text) & set("wax+") and set(text) <= set("rwaxbt+") for text in texts)
    return name if opens or any(isinstance(a, ast.Name) and a.id == "mode" for a in modes) else ""


def calls(path):
    """{"file:function": names} of the calls of a file."""
    found = {}

    def visit(node, inside):
        for child in ast.iter_child_nodes(node):
            here = inside
            if isinstance(child, (ast.ClassDef, ast.FunctionDef)):
                nested = inside and not isinstance(node, ast.ClassDef)
                here = inside if nested else [*inside, child.name]
            if isinstance(child, ast.Call) and kind_of(child):
                found.setdefault(f"{path.relative_to(ROOT)}:{'.'.join(inside)}", set()).add(kind_of(child))
            visit(child, here)
    visit(ast.parse(path.read_text()), [])
    return found


EVERY = {place: names for path in FILES for place, names in calls(path).items()}


def test_every_destructive_call_has_a_guard():
    missing = {place: sorted(names) for place, names in EVERY.items()
               if place not in GUARDS and place.split(":")[0] not in GUARDS}
    assert not missing


def test_table_has_no_row_for_removed_calls():
    places = {*EVERY, *(place.split(":")[0] for place in EVERY)}
    assert not [row for row in GUARDS if row not in places]


@pytest.mark.parametrize("text", [
    "path.unlink()", "atomic_io.write_whole(p, b'')", "atomic_io.write_whole(p, b'', new=not there)", "file.commit()",
    "shutil.rmtree(x)", "a.replace(b)", "os.replace(a, b)", "a.rename(b)", "open(p, 'w')",
    "p.open('ab')", "open(p, mode='x')", "os.open(p, os.O_WRONLY | os.O_CREAT)", "h5py.File(p, 'w')",
    "zipfile.ZipFile(p, 'a')", "np.savez(p, a=1)", "figure.savefig(p)", "p.write_text('')", "os.remove(p)"])
def test_destructive_call_is_detected(text):
    assert kind_of(ast.parse(text).body[0].value)


@pytest.mark.parametrize("text", [
    "name.replace('a', 'b')", "atomic_io.write_whole(p, b'', new=True)",
    "dataclasses.replace(a, b=1)", "open(p)", "p.open('rb')", "os.open(p, os.O_RDONLY)",
    "h5py.File(p, 'r')", "graph.node.remove(node)", "Image.open(p, formats=('PNG',))"])
def test_harmless_call_is_not_listed(text):
    assert not kind_of(ast.parse(text).body[0].value)
