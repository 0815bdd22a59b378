"""Evaluate a net: a split -> numbers by named protocols, report.html and pictures; or photos -> predictions.

    python eval_fcn.py --run runs/NAME
    python eval_fcn.py --run runs/NAME --window 512 --scales 0.75,1,1.25 --flip
    python eval_fcn.py --run runs/NAME --images DIR_OR_FILE --out DIR
    python eval_fcn.py --weights pascal-fcn8s-dag.mat --images DIR_OR_FILE      a published net, as it is

docs/evaluation.md says what each protocol and option is.
"""

import dataclasses
import pathlib
import shlex

from fcn.cli import evaluate_flags
from fcn.config import training_config
from fcn.core import atomic_io, errors, machine, registry
from fcn.data import dataset, file_checks
from fcn.evaluation import image_sources, model_source, prediction_writer, result_folder, results, tiling
from fcn.evaluation.inference_config import InferenceConfig
from fcn.evaluation.result_folder import ResultFolder
from fcn.metrics import protocols
from fcn.models import components
from fcn.models.architecture import Architecture
from fcn.reporting import html_report
from fcn.reporting.gallery import Gallery
from fcn.runs import record


def main(argv):
    arguments = evaluate_flags.parse(argv, __doc__.split("\n\n")[0])
    try:
        evaluate(arguments)
    except errors.DataError as error:
        raise evaluate_flags.advised(error, arguments) from error


def evaluate(arguments):
    evaluated = choose(arguments)
    evaluate_flags.refuse_enlarging(arguments, evaluated.settings)
    config = InferenceConfig(evaluated.settings.size, arguments.window, 0.5 if arguments.overlap == "exact"
                             else arguments.overlap,
                             arguments.merge, arguments.scales, arguments.flip, arguments.enlarge)
    if arguments.window:
        check_strides(Architecture.from_dict(evaluated.model))
    prediction_writer.refuse_zip(arguments.outputs, evaluated.spec)
    if not arguments.images:
        protocols.check(evaluated.model["num_classes"], evaluated.spec.ignored_ids)
        html_report.check_sections()
    found, left_out, destination = to_do(arguments, evaluated)

    from fcn.evaluation import runner
    from fcn.models import tf_compat  # TensorFlow

    print(tf_compat.describe_device(), flush=True)
    if arguments.overlap == "exact":
        config = dataclasses.replace(config, overlap=exact(Architecture.from_dict(evaluated.model), arguments.window))
    made_by = {"weights": weights(arguments, evaluated), "inference": config.describe(), **record.provenance()}
    with destination.writing(**made_by) as folder:
        writes = prediction_writer.PredictionWriter(folder, evaluated.spec, arguments.outputs,
                                                    needed=bool(arguments.images))
        gallery = Gallery(evaluated.spec)
        scored = runner.run_evaluation(found, evaluated, config, writes, gallery)
        left_out += scored.left_out
        for problem in left_out:
            print(f"left out: {problem}")
        print(speed(scored))
        if not arguments.images:
            report(scored, gallery, evaluated, folder, facts(arguments, evaluated, config, scored, left_out)
                   | {"device": tf_compat.detect_device().name})
        writes.finish()
        destination.publish(complete=not writes.unwritten)
    out = destination.place
    writes.complain(out)
    if arguments.images:
        print(f"{scored.images} predictions are in {out}: {', '.join(arguments.outputs)}")
    else:
        print(f"everything is in {out}: {', '.join(sorted(path.name for path in out.iterdir()))}")


def to_do(arguments, evaluated):
    """(Sources, Problems left out, ResultFolder): what is evaluated, and where the results go.

    Raises UsageError for a folder where they must not go, before the data set is looked through.
    """
    if arguments.images:
        found, left_out, lines = image_sources.from_photos(arguments.images)
        out = arguments.out or result_folder.free(pathlib.Path("predictions"))
        destination = ResultFolder(out, result_folder.PREDICTIONS, [source.photo for source in found])
        destination.check()
        print("\n".join(lines), end="\n" if lines else "")
        if left_out and not evaluated.settings.skip_bad:
            file_checks.refuse(left_out, len(found), "photos")
        dataset.say_photos([source.photo for source in found], evaluated.settings.max_pixels)
    else:
        out = arguments.out or result_folder.usable(evaluate_flags.folder(arguments, evaluated),
                                                    result_folder.EVALUATION)
        destination = ResultFolder(out, result_folder.EVALUATION)
        destination.check()
        good, left_out = dataset.to_evaluate(evaluated.settings, evaluated.spec, arguments.split, evaluated.run)
        found = image_sources.from_pairs(good)
    return found, left_out, destination


def report(scored, gallery, evaluated, folder, known):
    """Print the table, before a disk can fail, and write the numbers and the page. Raises DataError without labels."""
    if not scored.original.total()[list(evaluated.spec.scored_ids)].any():
        raise errors.DataError("not one pixel of these images is labelled: there is nothing to score",
                               where=evaluated.settings.data, fix="--images PHOTOS predicts without labels.")
    content = known | results.measured(scored.original, scored.network, evaluated.spec, evaluated.settings.layout)
    print(results.table(content))
    results.save(folder, scored.original, scored.network, content)
    gallery.write(folder)
    html_report.write_page(folder)


def check_strides(architecture):
    """Raise UsageError for a net whose features would be of other pixels in windows than in the whole image."""
    stride = components.common_stride(architecture)
    if tiling.STRIDE_PX % stride:
        raise errors.UsageError(f"windows start at multiples of {tiling.STRIDE_PX} px, but features of the net "
                                f"{architecture.net} repeat every {stride} px",
                                fix="leave out --window: whole images are predicted.")


def exact(architecture, window):
    """Px by which windows must overlap for their middles to have the whole image's scores. Raises UsageError."""
    margin = components.margin(architecture)
    if margin is None:
        raise errors.UsageError(f"--overlap exact: the receptive field of the net {architecture.net} is unknown",
                                fix="give a share, such as --overlap 0.5.")
    least = -(-2 * margin // tiling.STRIDE_PX) * tiling.STRIDE_PX + tiling.STRIDE_PX
    if min(window) < least:
        raise errors.UsageError(f"--overlap exact: pixels up to {margin} px away count in this net, so windows of "
                                f"{least} px at least are needed", fix=f"--window {max(least, 1024)}.")
    return 2 * margin


def speed(scored):
    memory, seconds = machine.peak_memory(), max(scored.seconds, 1e-9)
    return (f"{scored.images} images in {seconds:.0f} s, {scored.images / seconds:.2f} a second; "
            f"the net waited for reading and writing {scored.waited / seconds:.1%} of it"
            + (f"; peak memory {atomic_io.amount(memory)}" if memory else ""))


def facts(arguments, evaluated, config, scored, left_out):
    """What report.json says besides the numbers."""
    return {"name": evaluated.name, "run": evaluated.run and str(evaluated.run), "inference": config.describe(),
            "split": arguments.split, "images": scored.images, "left_out": [str(problem) for problem in left_out],
            "checkpoint_step": evaluated.step, "weights": weights(arguments, evaluated),
            "precision": evaluated.settings.precision, "layout": evaluated.settings.layout,
            "net": evaluated.model["net"], "training": list(evaluated.starts),
            "settings": training_config.to_dict(evaluated.settings), "peak_memory_bytes": machine.peak_memory(),
            "seconds": scored.seconds, **record.provenance()}


def weights(arguments, evaluated):
    return str(arguments.weights or evaluated.checkpoint)


def choose(arguments):
    """The EvaluatedModel that the flags name, with the settings that they change."""
    if arguments.weights:
        if pathlib.Path(arguments.weights).is_dir():
            raise errors.UsageError("--weights takes a file, this is a folder", where=arguments.weights,
                                    fix=f"--run {shlex.quote(arguments.weights)} evaluates a run or its checkpoint.")

        def asked():
            if not arguments.data:
                raise errors.UsageError("no data set is given", fix="give --layout and --data FOLDER, or --images "
                                                                     "PHOTOS.")
            return model_source.classes_of(arguments.data, arguments.layout, arguments.classes, arguments.ignore_label,
                                           arguments.label_encoding, arguments.mask_threshold)
        evaluated = model_source.from_file(arguments.weights, None if arguments.images else asked)
    else:
        evaluated = model_source.from_run(arguments.run, arguments.checkpoint)
        if arguments.data:
            model_source.note_names(evaluated, arguments.data)
    changed = {key: value for key, value in vars(arguments).items()
               if key == "size" or (key in ("data", "precision", "skip_bad", "max_pixels") and value)}
    settings = dataclasses.replace(evaluated.settings, **changed, plugins=registry.folders())
    return dataclasses.replace(evaluated, settings=settings)
