"""One file a loss. Contract: build(logits, labels, ignored_ids, class_weights), see cross_entropy.py."""
