"""Write settings as the lines of a Caffe solver.prototxt, or report why Caffe cannot train with them.

From BVLC/caffe, src/caffe: solvers/sgd_solver.cpp (GetLearningRate; ApplyUpdate: ClipGradients, Normalize, Regularize,
ComputeUpdateValue), solver.cpp (Step) and layers/softmax_loss_layer.cpp (get_normalizer).
tests/training/test_caffe_rule.py writes them out in NumPy and compares the weights.
"""

import math

from fcn.core import errors

# --schedule: the fields of Caffe's lr_policy of that name, and the settings that give their values.
POLICIES = {"fixed": {}, "poly": {"power": "poly_power"}, "step": {"gamma": "gamma", "stepsize": "step_size"}}

# How every setting of training_config.Config is written.
SETTINGS = {
    "a field of the solver": (
        "learning_rate", "schedule", "poly_power", "gamma", "step_size", "momentum", "weight_decay", "clip_norm",
        "batches_per_step", "average_loss", "log_every", "save_every", "steps"),
    "said of the net, which the solver file does not hold": (
        "batch", "loss_reduction", "keep_prob", "rate_factors", "freeze"),
    "refused where Caffe has no such thing": (
        "optimizer", "warmup", "epochs", "patience", "class_weights", "border_weight", "loss", "freeze_steps", "ema",
        "rise", "final_factor"),
    "validation, outside of Caffe's solver": ("eval_every", "eval_batches", "best_by", "keep"),
    "not part of the optimizer": (
        "layout", "data", "images", "labels", "train_split", "classes", "label_encoding", "mask_threshold",
        "ignore_label", "channels", "size", "crop_size", "crops_per_image", "images_in_memory", "augment",
        "replacement", "skip_bad", "max_pixels", "cache_dir", "cache_shards", "net", "weights", "carry_scores",
        "extra_channels",
        "mean_rgb", "alignment", "pool", "last_layer", "fc", "fusion", "init_stddev", "pool_scaling", "score_relu",
        "learn_upsampling", "output", "precision", "rim", "train_ignored", "norm_momentum", "sync_batch_norm",
        "seed", "deterministic", "plugins"),
}


def prototxt(settings) -> str:
    """The lines of a solver.prototxt that trains as the Config `settings` does, and comments on the net's file.

    Raises UsageError if Caffe cannot train with these settings.
    """
    check(settings)
    s = settings
    fields = {"base_lr": s.learning_rate, "lr_policy": f'"{s.schedule}"',
              **{field: getattr(s, name) for field, name in POLICIES[s.schedule].items()},
              "momentum": s.momentum, "weight_decay": s.weight_decay}
    if s.clip_norm:  # Caffe clips the sum over iter_size, ours is the threshold of its mean
        fields["clip_gradients"] = s.clip_norm * s.batches_per_step
    fields["iter_size"] = s.batches_per_step
    # Caffe shows a loss averaged over iterations, of iter_size batches each.
    fields["average_loss"] = math.ceil(s.average_loss / s.batches_per_step)
    fields |= {"display": s.log_every, "max_iter": s.steps, "snapshot": s.save_every}
    return "\n".join([*(f"{field}: {value}" for field, value in fields.items()), *notes(s)])


def notes(settings):
    """Comment lines on settings that a solver file cannot hold."""
    s = settings
    normalize = "false" if s.loss_reduction == "sum" else "true"
    lines = [f"# net: batch {s.batch}; biases with decay_mult: 0; loss_param {{ normalize: {normalize} }}; "
             f"dropout_ratio: {1 - s.keep_prob:g}"]
    factors = [text for text, is_given in (
        (f"x {s.rate_factors}", s.rate_factors), (f"0 up to and including {s.freeze}", s.freeze)) if is_given]
    if factors:
        lines.append(f"# net: lr_mult: 1, {', '.join(factors)}")
    if s.clip_norm and s.batches_per_step > 1:
        lines.append(f"# clip_gradients is {s.clip_norm:g} x iter_size: Caffe clips the sum over iter_size, before it "
                     "divides by it")
    if s.loss_reduction == "mean-per-image" and s.batches_per_step > 1:
        lines.append("# data: every image needs labelled pixels; Caffe counts one without any in iter_size")
    return lines


def check(settings):
    """Raise UsageError for settings that a solver.prototxt cannot express."""
    s, images = settings, settings.batch * settings.batches_per_step
    for is_so, what, why, fix in (
        (s.optimizer != "momentum", f"only --optimizer momentum is Caffe's SGD, this is {s.optimizer}", None,
         "give --optimizer momentum, with a --learning-rate for it."),
        (s.schedule not in POLICIES, f"--schedule {s.schedule} is not a learning rate policy of Caffe",
         "Caffe has fixed, step, exp, inv, multistep, poly and sigmoid.", f"--schedule {', '.join(POLICIES)}."),
        (s.warmup, f"--warmup {s.warmup}: no learning rate policy of Caffe warms up", None, "--warmup 0."),
        (not s.steps, "Caffe counts steps (max_iter), and these settings count --epochs",
         "how many steps an epoch has depends on the data set.",
         "--steps N; the config.json of a run has its number under \"steps\"."),
        (s.freeze_steps, f"--freeze-steps {s.freeze_steps}: a factor on rates is the same in all steps", None,
         "--freeze-steps 0."),
        (s.ema, f"--ema {s.ema:g}: Caffe averages no weights", None, "--ema 0."),
        (s.patience, f"--patience {s.patience}: Caffe's solver does not stop early", None, "--patience 0."),
        (s.loss != "cross_entropy", f"--loss {s.loss} is not Caffe's SoftmaxWithLoss", None, "--loss cross_entropy."),
        (s.class_weights != "none", "Caffe's SoftmaxWithLoss has no class weights", None, "--class-weights none."),
        (s.border_weight, "Caffe's SoftmaxWithLoss has no weights of pixels", None, "--border-weight 0."),
        (s.loss_reduction == "mean" and s.batches_per_step > 1,
         f"--loss-reduction mean over {s.batches_per_step} batches a step is not Caffe's",
         "Caffe averages every batch over its own labelled pixels, then over iter_size; here every labelled pixel of a "
         "step weighs the same.",
         f"--to-batch {images} --to-batches-per-step 1, which Caffe averages as here; or --to mean-per-image "
         f"--to-batch 1 --to-batches-per-step {images}, the same where all images have as many labelled pixels."),
        (s.loss_reduction == "mean-per-image" and s.batch > 1,
         f"Caffe has no mean of every image's mean in a batch of {s.batch}",
         "normalize: true averages over all labelled pixels of a batch.",
         f"--to-batch 1 --to-batches-per-step {images}, which is the same step."),
    ):
        if is_so:
            raise errors.UsageError(what, why=why, fix=fix)
