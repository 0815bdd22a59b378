"""Settings of older versions that were removed: what replaces them, in a run's config.json and in messages."""

# Name -> what to use instead, for a flag and for a TOML file.
REMOVED = {
    "recompute": "leave it out: it saved 3 to 5 % of memory. --precision bfloat16 or a smaller --batch saves more.",
    "new_layer_factor": "use new=FACTOR in rate_factors, such as --rate-factors 'new=10'.",
    "eval_budget": "give the share of the time to eval_every, such as --eval-every 5%.",
}
# Settings of runs of versions that did not have them.
NEW = {"channels": 3, "images": "", "labels": "", "output": "softmax", "border_weight": 0.0, "freeze_steps": 0,
       "ema": 0.0, "best_by": "mean_iou", "norm_momentum": None, "train_split": "train",
       "sync_batch_norm": False, "cache_shards": 1}
AVERAGE_LOSS = 20  # what average_loss = "auto" becomes


def current(settings):
    """The settings of a run's config.json, of any version, as the present version names them."""
    found = NEW | {name: value for name, value in settings.items() if name not in REMOVED}
    factor = settings.get("new_layer_factor", 1)
    if factor != 1:
        found["rate_factors"] = ", ".join(filter(None, [settings.get("rate_factors"), f"new={factor:g}"]))
    if settings.get("eval_budget"):
        found["eval_every"] = settings["eval_budget"]
    if settings.get("average_loss") == "auto":
        found["average_loss"] = AVERAGE_LOSS
    return found
