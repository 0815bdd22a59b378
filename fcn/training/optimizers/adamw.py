"""AdamW: Adam, with the weight decay apart from the gradient (Loshchilov & Hutter 2019)."""

from fcn.training.optimizers import adam

DECOUPLED_WEIGHT_DECAY = True
apply = adam.apply
