"""Export of a checkpoint: a file in one of the formats of fcn/export/formats, and a JSON file with its metadata.

The exported file is loaded again and must give the checkpoint's outputs on images of two sizes. Only then is it renamed
to its final name.
"""

import shlex

from fcn.config import selection
from fcn.core import atomic_io, errors, ownership, registry
from fcn.data import label_policy
from fcn.data.spec import size_of
from fcn.runs import record
from fcn.weights import transfer


def format_of(path):
    """Return the name of the export format of a path, from its suffix.

    Raises UsageError if the format is unknown, the parent folder does not exist, or a file of the export exists.
    """
    name, known = path.suffix[1:] or "savedmodel", registry.names("export_formats")
    if name not in known:
        raise errors.UsageError(f"unknown export format {path.suffix}", where=path,
                                fix=f"use {', '.join(f'.{name}' for name in known)}, or no suffix for a SavedModel.")
    if not path.parent.is_dir():
        raise errors.UsageError("is not a folder", where=path.parent, fix="create it, or give another --to.")
    check_place(path, name)
    return name


def check_place(path, name):
    """Raise UsageError if the exported file or its metadata file exists."""
    ownership.check_free(path, "--to")
    note = note_of(path, name)
    if ownership.occupied(note):
        other = shlex.quote(str(ownership.free(path, lambda path: note_of(path, name))))
        raise errors.UsageError("exists already; the metadata of the export would overwrite it", where=note,
                                fix=f"give --to {other}, or move it away.")


def note_of(path, name):
    """Return the path of the metadata file: beside an exported file, in assets.extra of a SavedModel."""
    return path / "assets.extra" / "fcn.json" if name == "savedmodel" else path.with_name(f"{path.name}.json")


def export(chosen, path, name):
    """Write a checkpoint (checkpoint_choice.Chosen) to `path` in the format `name`. Returns lines that describe it.

    Raises WeightsError if the exported net gives other outputs than the checkpoint; nothing is left at `path` then.
    """
    from fcn.export.formats import _check
    from fcn.models import tf_compat

    form, model = registry.load("export_formats", name), chosen.content["model"] | {"precision": "float32"}
    with atomic_io.making(path) as made:
        about = form.write(made, chosen.path, model)
        batches = _check.images(len(model["mean_rgb"]))
        never_predicted = label_policy.of_net(model["ignored_ids"], model["num_classes"]).never_predicted
        expected = _check.of_checkpoint(chosen.path, model, batches)
        verified = _check.compare(expected, form.outputs(made, batches), never_predicted)
        note_of(made, name).parent.mkdir(exist_ok=True)
        atomic_io.write_json(note_of(made, name), facts(chosen, name, about,
                                                        verified) | {"device": tf_compat.detect_device().name})
        check_place(path, name)  # another process may have created it meanwhile
        if made.is_file():  # the metadata first, so that an exported file always has it
            atomic_io.publish(note_of(made, name), note_of(path, name))
    size = sum(item.stat().st_size for item in (path, *path.rglob("*")) if item.is_file())
    return [f"{path}: {about}; {atomic_io.format_bytes(size)}", _check.text(verified),
            f"classes, sizes and step are in {note_of(path, name)}"]


def facts(chosen, name, about, verified):
    """Return the metadata of an export as a dict: classes, colours, ids, sizes, checkpoint, scores and provenance."""
    content = chosen.content
    model, spec, settings = content["model"], record.spec_from_dict(content["spec"]), content["config"]
    policy = label_policy.of_run(model, spec)
    return {"format": name, "content": about, "net": model["net"],
            "class_names": transfer.channel_names(spec.class_names, model["num_classes"]),
            "colours": [list(map(int, colour)) for colour in spec.palette()[:model["num_classes"]]],
            "ignored_ids": list(policy.ignored_in_scores),
            "never_predicted": list(policy.never_predicted),
            "mean_rgb": model["mean_rgb"], "trained_precision": model.get("precision", "float32"),
            "trained_size_px": size_of(settings.get("size")),
            "trained_crop_px": settings.get("crop_size"), "checkpoint": str(chosen.path),
            "step": chosen.state["step"],
            f"validation_{selection.of(chosen.state)}": chosen.state.get("score"), "verified": verified,
            **record.provenance()}
