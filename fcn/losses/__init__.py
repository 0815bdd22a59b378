"""One file a loss. Contract: build(logits, labels, ...) -> (loss_sum, pixels), see cross_entropy.py."""
