"""One file a loss. Contract: build(logits, labels, ignored_ids, class_weights), see cross_entropy.py.

Pixels come in any order, with pixels beside the image among them, whose label is no class: a loss looks at each by
itself.
"""
