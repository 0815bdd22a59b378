"""Evaluate a net: a split -> scores by named protocols, report.html and pictures; or images -> predictions.

    fcn evaluate --run runs/NAME
    fcn evaluate --run runs/NAME --window 512 --scales 0.75,1,1.25 --flip
    fcn evaluate --run runs/NAME --images DIR_OR_FILE --out DIR                 the same as fcn predict
    fcn evaluate --weights pascal-fcn8s-dag.mat --data DIR                      a published net

docs/evaluation.md explains the protocols and options.
"""

import dataclasses
import pathlib
import shlex

from fcn.api import scores
from fcn.cli import evaluate_flags
from fcn.core import atomic_io, errors, machine, registry
from fcn.data import dataset, file_checks
from fcn.distributed import joining
from fcn.evaluation import image_sources, model_source, prediction_writer, result_folder, stored, tiling
from fcn.evaluation.inference_config import InferenceConfig
from fcn.evaluation.result_folder import ResultFolder
from fcn.metrics import protocols, thresholds
from fcn.models import components
from fcn.models.architecture import Architecture
from fcn.reporting import html_report
from fcn.reporting.gallery import Gallery
from fcn.runs import record


def main(argv):
    """Evaluate a run, a checkpoint or a weight file. Returns the exit code."""
    arguments = evaluate_flags.parse(argv, __doc__.split("\n\n")[0])
    joining.only_chief_prints()
    try:
        with joining.together() as workers:
            evaluate(arguments, workers)
    except errors.DataError as error:
        raise evaluate_flags.advised(error, arguments) from error


def evaluate(arguments, workers=None):
    """Evaluate, or predict, as the arguments of evaluate_flags.parse() say.

    workers: Workers that divide the images among them, all of which call this; None for a single process.
    """
    evaluated = choose(arguments)
    config = checked_config(arguments, evaluated)
    found, left_out, destination = to_do(arguments, evaluated)

    from fcn.models import tf_compat  # TensorFlow

    print(tf_compat.describe_device(), flush=True)
    if arguments.overlap == "exact":
        config = dataclasses.replace(config, overlap=exact(Architecture.from_dict(evaluated.model), arguments.window))
    if workers and not workers.is_chief:
        evaluate_with_chief(arguments, evaluated, config, (found, left_out), workers)
        return
    made_by = {"weights": evaluated.source, "inference": config.describe(), **record.provenance()}
    with destination.writing(**made_by) as folder, prediction_writer.PredictionWriter(
            folder, evaluated.spec, outputs_of(arguments, found), needed=bool(arguments.images)) as writes:
        if workers:
            workers.of_chief(str(folder), patient=True)
        scored = write_results(arguments, evaluated, config, (found, left_out), writes, workers)
        writes.finish()
        destination.publish(complete=not writes.unwritten)
    out = destination.place
    writes.complain(out)
    if arguments.images:
        kinds = [kind for kind in outputs_of(arguments, found) if kind != prediction_writer.ERRORS]  # they need labels
        print(f"{scored.images} predictions are in {out}: {', '.join(kinds)}")
        if scored.left_out and not evaluated.settings.skip_bad:
            raise errors.DataError("a damaged video was predicted up to its last readable frame", where=out,
                                   why=errors.several(scored.left_out),
                                   fix="replace the video; with --skip-bad this is no error.")
    else:
        print(f"everything is in {out}: {', '.join(sorted(path.name for path in out.iterdir()))}")


def evaluate_with_chief(arguments, evaluated, config, images, workers):
    """Evaluate as a worker that is not the chief, which gets the results; outputs go to the chief's folder."""
    from fcn.evaluation import loaded_net, runner
    found, _ = images
    folder, kinds = pathlib.Path(workers.of_chief(None, patient=True)), outputs_of(arguments, found)
    if kinds and not folder.is_dir():
        raise errors.MachineError("the chief writes its results to this folder, which is not there on this machine",
                                  where=folder, fix="give an --out that all machines share, or --outputs none.")
    with prediction_writer.PredictionWriter(folder, evaluated.spec, kinds, needed=bool(arguments.images)) as writes, \
            loaded_net.LoadedNet(evaluated) as net:
        runner.run_evaluation(net, found, evaluated, config, writes, Gallery(evaluated.spec), workers)


def write_results(arguments, evaluated, config, images, writes, workers=None):
    """Run the net over `images` ([Source], [Problem]), print what is found and write it. Returns the runner.Scored.

    writes: the PredictionWriter, whose folder also gets the scores. workers: as in evaluate().
    """
    from fcn.evaluation import loaded_net, runner
    found, left_out = images
    gallery = Gallery(evaluated.spec)
    with loaded_net.LoadedNet(evaluated) as net:
        scored = runner.run_evaluation(net, found, evaluated, config, writes, gallery, workers)
    left_out += scored.left_out
    for problem in left_out if evaluated.settings.skip_bad else ():
        print(f"left out: {problem}")
    print(speed(scored))
    if not arguments.images:
        found_scores = scores.of(evaluated, scored, gallery, config, arguments.split, left_out)
        print(found_scores.table())  # before a disk can fail
        found_scores.write_into(writes.folder)
    return scored


def outputs_of(arguments, found):
    """Return the files to write for each of the Sources `found`: those of --outputs, or the usual ones."""
    if arguments.outputs is not None:
        return arguments.outputs
    has_video = any(source.clip for source in found)
    return prediction_writer.USUAL_OF_VIDEOS if has_video else prediction_writer.USUAL


def checked_config(arguments, evaluated):
    """Return the InferenceConfig of these arguments. Raises UsageError for what this net or data set cannot do."""
    evaluate_flags.refuse_enlarging(arguments, evaluated.settings)
    overlap = 0.5 if arguments.overlap == "exact" else arguments.overlap
    config = InferenceConfig(evaluated.settings.size, arguments.window, overlap, arguments.merge, arguments.scales,
                             arguments.flip, arguments.enlarge)
    architecture = Architecture.from_dict(evaluated.model)
    if arguments.threshold:
        thresholds.check(arguments.threshold, architecture.num_classes, evaluated.policy.ignored_in_scores)
        threshold = arguments.threshold if arguments.threshold != "best" else stored.best_threshold(
            evaluated.run, evaluated.step, config.describe())
        config = dataclasses.replace(config, threshold=threshold)
        if arguments.images:
            print(f"foreground from a probability of {threshold:g}")
    if arguments.window:
        tiling.check_strides(components.common_stride(architecture), architecture.net)
    prediction_writer.refuse_zip(arguments.outputs or (), evaluated.spec)
    if not arguments.images:
        protocols.check(architecture.num_classes, evaluated.spec.ignored_ids)
        html_report.check_sections()
    return config


def to_do(arguments, evaluated):
    """Return (Sources to evaluate, Problems left out, ResultFolder of the results).

    Raises UsageError for a folder that must not be written to, before the data set is read.
    """
    if arguments.images:
        found, left_out, lines = image_sources.from_photos(arguments.images)
        out = arguments.out or result_folder.free(pathlib.Path("predictions"))
        destination = ResultFolder(out, result_folder.PREDICTIONS, [source.photo for source in found])
        destination.check()
        print("\n".join(lines), end="\n" if lines else "")
        if left_out and not evaluated.settings.skip_bad:
            file_checks.refuse(left_out, len(found), "photos")
        dataset.log_conversions([source.photo for source in found if not source.clip], evaluated.spec.channels,
                                evaluated.settings.max_pixels)
    else:
        out = arguments.out or result_folder.usable(evaluate_flags.folder(arguments, evaluated),
                                                    result_folder.EVALUATION)
        destination = ResultFolder(out, result_folder.EVALUATION)
        destination.check()
        good, left_out = dataset.to_evaluate(evaluated.settings, evaluated.spec, arguments.split, evaluated.run)
        found = image_sources.from_pairs(good)
    return found, left_out, destination


def exact(architecture, window):
    """Return the overlap (px) at which centres of windows have the scores of the whole image. Raises UsageError."""
    margin = components.margin(architecture)
    if margin is None:
        raise errors.UsageError(f"--overlap exact: the receptive field of the net {architecture.net} is unknown",
                                fix="give a share, such as --overlap 0.5.")
    least = -(-2 * margin // tiling.STRIDE_PX) * tiling.STRIDE_PX + tiling.STRIDE_PX
    if min(window) < least:
        raise errors.UsageError(f"--overlap exact: the receptive field of this net reaches {margin} px, so windows "
                                f"must have at least {least} px", fix=f"give --window {max(least, 1024)}.")
    return 2 * margin


def speed(scored):
    """Return a line with time, speed, waiting and memory of an evaluation."""
    memory, seconds = machine.peak_memory(), max(scored.seconds, 1e-9)
    return (f"{scored.images} images in {seconds:.0f} s, {scored.images / seconds:.2f} a second; "
            f"the net waited for reading and writing {scored.waited / seconds:.1%} of it"
            + (f"; peak memory {atomic_io.format_bytes(memory)}" if memory else ""))


def choose(arguments):
    """Return the EvaluatedModel that the flags name, with the settings that they change."""
    if not arguments.weights:
        evaluated = model_source.from_run(arguments.run, arguments.checkpoint)
        if arguments.data:
            model_source.note_names(evaluated, arguments.data)
    elif pathlib.Path(arguments.weights).is_dir():
        raise errors.UsageError("--weights takes a file, this is a folder", where=arguments.weights,
                                fix=f"--run {shlex.quote(arguments.weights)} evaluates a run or its checkpoint.")
    else:
        evaluated = model_source.from_file(arguments.weights)
        if not arguments.images:
            if not arguments.data:
                raise errors.UsageError("no data set is given", fix="give --layout and --data FOLDER, or --images "
                                                                     "PHOTOS.")
            asked = {name: getattr(arguments, name) for name in ("data", "layout", "labels", "classes", "ignore_label",
                                                                 "label_encoding")}
            settings = model_source.with_layout(dataclasses.replace(
                evaluated.settings, images=arguments.image_pattern, **asked))
            evaluated = model_source.with_classes(dataclasses.replace(evaluated, settings=settings),
                                                  model_source.classes_of(settings, arguments.mask_threshold))
    changed = {key: value for key, value in vars(arguments).items()
               if key == "size" or (key in ("data", "precision", "skip_bad", "max_pixels") and value)}
    settings = dataclasses.replace(evaluated.settings, **changed, plugins=registry.folders())
    return dataclasses.replace(evaluated, settings=settings)
