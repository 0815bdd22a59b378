"""A frozen graph (.pb), compressed by gzip."""

import gzip

from fcn.export.formats import pb


def write(path, checkpoint, model):
    about = pb.write(path, checkpoint, model)
    path.write_bytes(gzip.compress(path.read_bytes()))
    return f"{about}, compressed"


def outputs(path, batches):
    plain = path.with_suffix(".pb")
    plain.write_bytes(gzip.decompress(path.read_bytes()))
    yield from pb.outputs(plain, batches)
    plain.unlink()
