"""Export of a checkpoint: the file of an export format, checked against the checkpoint, and a JSON file beside it.

The formats are in fcn/export/formats. What was written is read back and must give, on images of two sizes, what the
checkpoint gives; only then does it get its name.
"""

import shlex

from fcn.core import atomic_io, errors, ownership, registry
from fcn.data import label_policy
from fcn.data.spec import size_of
from fcn.runs import record
from fcn.weights import transfer


def format_of(path):
    """The export format that a path asks for; the path is free. Raises UsageError."""
    name, known = path.suffix[1:] or "savedmodel", registry.names("export_formats")
    if name not in known:
        raise errors.UsageError(f"{path.suffix} is no format", where=path,
                                fix=f"{', '.join(f'.{name}' for name in known)}, or no suffix for a SavedModel.")
    if not path.parent.is_dir():
        raise errors.UsageError("is no folder", where=path.parent, fix="make it, or give another --to.")
    check_place(path, name)
    return name


def check_place(path, name):
    """Raise UsageError if a file of the export is there already."""
    ownership.check_free(path, "--to")
    note = note_of(path, name)
    if ownership.occupied(note):
        other = shlex.quote(str(ownership.free(path, lambda path: note_of(path, name))))
        raise errors.UsageError("is there already, where the facts on the export go; nothing is overwritten",
                                where=note, fix=f"give --to {other}, or move it away.")


def note_of(path, name):
    """Where the facts on an exported net stand: beside a file, in a SavedModel where TensorFlow has a place for it."""
    return path / "assets.extra" / "fcn.json" if name == "savedmodel" else path.with_name(f"{path.name}.json")


def export(chosen, path, name):
    """Write a checkpoint (a checkpoint_choice.Chosen) to `path` in the format `name`; lines on what is there then.

    Raises WeightsError if what was written is not the checkpoint's net; nothing is there then.
    """
    from fcn.export.formats import _check
    from fcn.models import tf_compat

    form, model = registry.load("export_formats", name), chosen.content["model"] | {"precision": "float32"}
    with atomic_io.making(path) as made:
        about = form.write(made, chosen.path, model)
        batches = _check.images()
        never_predicted = label_policy.of_net(model["ignored_ids"], model["num_classes"]).never_predicted
        expected = _check.of_checkpoint(chosen.path, model, batches)
        verified = _check.compare(expected, form.outputs(made, batches), never_predicted)
        note_of(made, name).parent.mkdir(exist_ok=True)
        atomic_io.write_json(note_of(made, name), facts(chosen, name, about,
                                                        verified) | {"device": tf_compat.detect_device().name})
        check_place(path, name)  # somebody may have come meanwhile
        if made.is_file():  # the note first: where the net is, it is whole and has its note
            atomic_io.publish(note_of(made, name), note_of(path, name))
    size = sum(item.stat().st_size for item in (path, *path.rglob("*")) if item.is_file())
    return [f"{path}: {about}; {atomic_io.amount(size)}", _check.text(verified),
            f"classes, sizes and step are in {note_of(path, name)}"]


def facts(chosen, name, about, verified):
    """What users of the file must know and cannot ask it."""
    content = chosen.content
    model, spec, settings = content["model"], record.spec_from_dict(content["spec"]), content["config"]
    policy = label_policy.of_run(model, spec)
    return {"format": name, "content": about, "net": model["net"],
            "class_names": transfer.channel_names(spec.class_names, model["num_classes"]),
            "colours": [list(map(int, colour)) for colour in spec.palette()[:model["num_classes"]]],
            "ignored_ids": list(policy.ignored_in_scores),
            "never_predicted": list(policy.never_predicted),
            "mean_rgb": model["mean_rgb"], "trained_precision": model["precision"],
            "trained_size_px": size_of(settings["size"]),
            "trained_crop_px": settings["crop_size"], "checkpoint": str(chosen.path),
            "step": chosen.state["step"], "validation_mean_iou": chosen.state.get("score"), "verified": verified,
            **record.provenance()}
