"""Fault cases of training runs: checkpoints that were damaged or deleted after they had been written."""

import functools
import os
import pathlib
import random
import shutil
import signal

import inject
from small_run import Watch, contents, said, side_by_side

from fcn.core import errors
from fcn.runs import checkpoint_files

KILLED_AT = 14  # step; at most the checkpoints of steps 10, 12 and 14 exist then: the newest two and the best
DATA, INDEX, STATE = "model.data-00000-of-00001", "model.index", "state.json"


def cut(path):
    os.truncate(path, path.stat().st_size - 20)


def zeros_behind(path):
    os.truncate(path, path.stat().st_size + 4096)


def zeroed(path):
    """Fill the file with zeros, as after a power cut on a file system that has stored only the size."""
    path.write_bytes(bytes(path.stat().st_size))


def emptied(path):
    path.write_bytes(b"")


def torn(path):
    path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])


def flipped(path, at=0.5):
    """Flip one bit of the byte at this share of the file."""
    content = bytearray(path.read_bytes())
    content[int(at * (len(content) - 1))] ^= 1
    path.write_bytes(content)


def digit(path, key):
    """Change the first digit of the number after a key of state.json; the file stays valid JSON."""
    content = path.read_bytes()
    at = content.index(key.encode()) + len(key)
    at += next(i for i, byte in enumerate(content[at:]) if chr(byte).isdigit())
    path.write_bytes(content[:at] + b"%d" % ((int(content[at:at + 1]) + 1) % 10) + content[at + 1:])


DAMAGE = {
    **{f"{file}, {how.__name__}": (file, how) for file in (DATA, INDEX) for how in (
        cut, zeros_behind, zeroed, emptied, torn, pathlib.Path.unlink)},
    **{f"{file}, a bit at {at}": (file, functools.partial(flipped, at=at)) for file in (DATA, INDEX)
       for at in (0.0, 0.3, 0.9, 1.0)},
    **{f"{STATE}, {how.__name__}": (STATE, how) for how in (torn, zeroed, emptied, pathlib.Path.unlink)},
    **{f"{STATE}, a digit of {key}": (STATE, functools.partial(digit, key=f'"{key}": ')) for key in (
        "step", "batch", "since_best", "validated", "window", "bytes")},
}
LIES = {"garbage": b"\x00\xff garbage", "empty": b"", "a path elsewhere":
        b'model_checkpoint_path: "/elsewhere/model"\nall_model_checkpoint_paths: "/elsewhere/model"\n'}


def stopped(small):
    """Create a run that was killed at KILLED_AT, a template for the cases. Returns its folder."""
    run = small.folder / "template"
    watch = Watch(before_step=lambda at: at.step == KILLED_AT and os.kill(os.getpid(), signal.SIGKILL))
    inject.wait(small.start(run, watch))
    return run


def copied(small, template, name):
    run = small.folder / name.replace(" ", "-").replace("/", "-")
    shutil.copytree(template, run)
    return run, checkpoint_files.paths(run / "checkpoints")


def newest_damaged(small, template, name):
    """Damage the newest checkpoint. It must be reported, and the run must resume from the one before."""
    run, found = copied(small, template, name)
    file, damage = DAMAGE[name]
    damage(found[0] / file)
    wrong = small.finish(run)
    step = checkpoint_files.read_state(found[1])["step"] if found[1].exists() else int(found[1].name[5:])
    wrong += [] if f"skipped a checkpoint: {found[0]}" in said(run) else ["the damaged one is not named"]
    wrong += [] if f"resumed at step {step}\n" in said(run) else ["the one before was not taken"]
    shutil.rmtree(run)
    return [f"{name}: {text}" for text in wrong], []


def lied_to(small, template, name):
    """Write a wrong TensorFlow list of checkpoints into every folder where it could be read. It must be ignored."""
    run, found = copied(small, template, f"lie {name}")
    for folder in (run, run / "checkpoints", found[0]):
        (folder / "checkpoint").write_bytes(LIES[name])
    foreign = ("checkpoints/checkpoint differs", f"checkpoints/{found[0].name}/checkpoint differs")  # these stay
    wrong = [text for text in small.finish(run) if text not in foreign]
    wrong += [] if f"resumed at step {int(found[0].name[5:])}\n" in said(run) else ["the newest was not taken"]
    shutil.rmtree(run)
    return [f"{name}: {text}" for text in wrong], []


def all_damaged(small, template, name):
    """Damage all checkpoints. Expected: exit code 4 and unchanged files."""
    run, found = copied(small, template, f"all {name}")
    file, damage = DAMAGE[name]
    for path in found:
        damage(path / file)
    return _refused(small, run, errors.WeightsError.exit_code, name)


def all_gone(small, template, name):
    """Delete the checkpoints or their folder, but not the log. Expected: exit code 2 and unchanged files."""
    run, found = copied(small, template, f"gone {name}")
    for path in found if name == "folders" else [run / "checkpoints"]:
        shutil.rmtree(path)
    return _refused(small, run, errors.UsageError.exit_code, name)


def _refused(small, run, expected, name):
    before = contents(run)
    code = inject.wait(small.start(run))
    wrong = [] if code == expected else [f"exit code {code}: {said(run)[-300:]}"]
    wrong += [] if contents(run) == before else ["something was changed"]
    shutil.rmtree(run)
    return [f"{name}: {text}" for text in wrong], [f"exit code {code}"]


def bytes_changed(template, item):
    """Change single bytes of a checkpoint; each change must be detected or harmless. item: (file, first, every)."""
    file, first, every = item
    folder = template.parent / f"bytes-{file}-{first}"
    shutil.copytree(checkpoint_files.paths(template / "checkpoints")[0], folder)
    content, state = (folder / file).read_bytes(), checkpoint_files.verify(folder)
    rng, wrong = random.Random(first), []
    for at in range(first, len(content), every):
        changed = bytearray(content)
        changed[at] ^= rng.randint(1, 255)
        (folder / file).write_bytes(changed)
        try:
            if file != STATE or checkpoint_files.verify(folder) != state:  # e.g. a space may become a tab
                checkpoint_files.verify(folder)
                wrong.append(f"byte {at} of {file} may be {changed[at]} instead of {content[at]}")
        except errors.WeightsError:
            pass
    shutil.rmtree(folder)
    return wrong, [f"1 of {every} bytes of {file}"]


def rows(small, share):
    """Return [(row, function, items), ...]."""
    (template,), every = side_by_side(stopped, [small]), max(1, round(0.4 / share))
    return [("the newest checkpoint damaged", functools.partial(newest_damaged, small, template),
             list(DAMAGE)[::every]),
            ("a wrong `checkpoint` file", functools.partial(lied_to, small, template), list(LIES)),
            ("all checkpoints damaged", functools.partial(all_damaged, small, template), list(DAMAGE)[1::3 * every]),
            ("all checkpoints deleted, log.jsonl there", functools.partial(all_gone, small, template),
             ["folders", "all"]),
            ("one byte of the index or state.json changed", functools.partial(bytes_changed, template),
             [(file, first, 8 * every) for file in (INDEX, STATE) for first in range(8)])]
