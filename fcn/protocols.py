"""All protocols over the matrices of an evaluation: which can be computed, from which sums."""

from fcn import shelf


def found(original, network, ignored_ids):
    """{name: (module, Sums)} of every protocol whose matrices are there. original, network: Matrices, or None."""
    matrices = {"original": original, "network": network}
    return {name: (module, sums(module, matrices[module.SIZE], ignored_ids))
            for name, module in shelf.every("protocols").items()
            if matrices[module.SIZE] is not None}


def sums(module, matrices, ignored_ids):
    """The Sums that a protocol is computed from: those of the ids that it scores."""
    scored = module.scored(matrices.num_classes, ignored_ids)
    return matrices.sums([i for i in range(matrices.num_classes) if i not in scored])
