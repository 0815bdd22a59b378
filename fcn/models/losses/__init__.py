"""One file a loss, which --loss names, alone or in a sum (0.5*dice+focal). A file holds one of two functions.

A loss of each pixel by itself:

    per_pixel(logits, labels) -> losses

logits: float32 (N, rows, columns, C); labels: int32 (N, rows, columns), each a channel; losses: float32 of the same
shape. batch_loss.py leaves out pixels that do not count and applies --class-weights and --loss-reduction.

A loss of whole images, such as Dice:

    build(logits, labels, policy) -> (objective, normalizer)

Both are float32 scalars and sums over the images of the batch, so that those of several batches can be added;
objective / normalizer is minimised, and the normalizer is usually the number of images. labels: int32, any ids; policy:
a label_policy.LabelPolicy. Pixels for which batch_loss.counted(labels, C, policy) is False must not count.
--class-weights and --loss-reduction are refused, or in a sum are of the losses of each pixel alone.

A sum minimises factor * objective / normalizer of each loss, added; each normalizer is summed over the step's batches.

In both, pixels come in any order within their image, with some beside the image among them, which do not count.
"""

REQUIRED = ("per_pixel(logits, labels) or build(logits, labels, policy)",)
