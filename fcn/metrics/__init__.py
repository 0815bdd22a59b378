"""One file a family of metrics. Contract: compute(confusion, ignored_ids) -> dict, see iou.py."""
