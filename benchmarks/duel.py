#!/usr/bin/env python3
"""Compare contenders (implementations of the net) on this machine: seconds, ratios, memory.

    python benchmarks/duel.py --job train --batch 2 [--rounds 7] [--json OUT] ours:float32 pytorch:nchw-float32 ...

Each contender runs in its own process (contender.py) and sleeps while another one makes its steps. In a round, every
contender has a turn of `--steps` steps, so that a ratio compares steps a few seconds apart. The order rotates from
round to round. The first contender is the reference. If memory cannot hold all contenders, they are measured in groups,
each with the reference; with --alone, each contender is alone with it. A contender that fails is reported in its row of
the table. Memory is compacted first, if the user is root (measuring.compact_memory).

Starting takes 20 to 40 s per contender, one or two minutes with compile or jit. Training at batch 2 with seven
contenders and seven rounds takes about eight minutes on two cores.
"""

import argparse
import functools
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import duel_table
import measuring
from rival import Rival

from fcn.config import parsers
from fcn.core import machine

MARGIN = 1 << 30  # bytes to keep free for other processes
GROWTH = 1.3      # expected memory of the next contender, relative to the largest so far


def held(ready):
    """Return (peak memory, bytes that a step allocates again) from a contender's first answer."""
    peak = ready["peak_bytes"] or 0
    return peak, max(0, peak - (ready["held_bytes"] or 0))


def fits(group, available):
    """Return whether memory can hold one more contender: its peak plus the largest growth of a running one."""
    if available is None:
        return True
    known = [held(rival.ready) for rival in group]
    return available >= MARGIN + GROWTH * max(peak for peak, _ in known) + max(growth for _, growth in known)


def turn(rival, steps):
    """Return {"seconds": [...], "others": CPU seconds of other processes} of a turn, or None if it failed."""
    answers = []
    for _ in range(steps):
        if not (answer := rival.step()):
            return None
        answers.append(answer)
    others = [answer["others"] for answer in answers]
    return {"seconds": [answer["seconds"] for answer in answers], "others": None if None in others else sum(others)}


def play(group, rounds, steps, tell):
    """Run the rounds of a group. Returns one {label: turn} per round.

    A contender that fails has no further turns. If the reference fails, the rounds end.
    """
    played = []
    for number in range(rounds):
        start = number % len(group)
        done = {}
        for rival in group[start:] + group[:start]:
            if not rival.failed and (found := turn(rival, steps)):
                done[rival.label] = found
        played.append(done)
        tell(f"round {number + 1}: " + ", ".join(f"{name} {statistics.median(found['seconds']):.3f} s"
                                                for name, found in done.items()))
        if group[0].failed:
            break
    return played


def run(labels, start, rounds, steps, available=machine.available_memory, tell=print, largest=None):
    """Return (rounds of each group, {label: {"failed", "ready", and the contender's last answer}}).

    start: function label -> Rival. The first label is the reference. largest: most contenders of a group.
    """
    found, groups, waiting = {}, [], list(labels[1:])

    def enter(label):
        tell(f"{label} starts")
        rival = start(label)
        tell(f"{label} " + (f"failed: {rival.failed}" if rival.failed else "is ready"))
        return rival

    def leave(rival):
        last = rival.finish()
        found[rival.label] = {"failed": rival.failed, "ready": rival.ready, **last}

    reference = enter(labels[0])
    while not reference.failed and (waiting or not groups):
        group = [reference]
        while waiting and len(group) < (largest or len(labels)) and fits(group, available()):
            rival = enter(waiting.pop(0))
            if rival.failed:
                leave(rival)
            else:
                group.append(rival)
        if waiting and len(group) == 1:
            label = waiting.pop(0)
            found[label] = {"failed": f"not run: {available() / 1e9:.1f} GB of memory are free while {labels[0]} runs",
                            "ready": {}}
        if len(group) > 1 or not (groups or waiting):
            groups.append(play(group, rounds, steps, tell))
        for rival in group[1:]:
            leave(rival)
    leave(reference)
    found |= {label: {"failed": f"not run: {labels[0]} failed", "ready": {}} for label in waiting}
    return groups, {label: found[label] for label in labels}


def command(given, label):
    name, _, variant = label.partition(":")
    return [sys.executable, str(pathlib.Path(__file__).with_name("contender.py")), "--name", name, "--variant", variant,
            "--job", given.job, "--batch", str(given.batch), "--size", "{}x{}".format(*given.size), "--classes",
            str(given.classes), "--share", str(given.share)]


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("contenders", nargs="+", metavar="NAME:VARIANT", help="the first one is the reference")
    parser.add_argument("--job", choices=("train", "predict"), required=True)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--size", type=parsers.parse_crop, default=(224, 224))
    parser.add_argument("--classes", type=int, default=151)
    parser.add_argument("--share", type=float, default=1.0, help="share of VGG-19's channels, for a small trial")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=1, help="steps per turn; use more for short steps")
    parser.add_argument("--seconds-allowed", type=float, default=600, help="time limit for one answer of a contender")
    parser.add_argument("--alone", action="store_true", help="each contender alone with the reference in memory")
    parser.add_argument("--json", type=pathlib.Path, help="write all measurements to this file")
    given = parser.parse_args(argv)
    if len(set(given.contenders)) < len(given.contenders):
        parser.error("the same contender is given twice")
    return given


def measured(labels, start, setting, largest=None):
    """Run a duel. Returns its result: facts(), `setting`, "groups", "contenders", "rows".

    start: as in run(). setting: {"job", "batch", "size", "classes", "share", "rounds", "steps"}.
    """
    about, began = measuring.facts() | {"memory_compacted": measuring.compact_memory()}, time.monotonic()
    groups, contenders = run(labels, start, setting["rounds"], setting["steps"], largest=largest,
                             tell=functools.partial(print, file=sys.stderr, flush=True))
    about["versions"] |= next((c["ready"]["versions"] for c in contenders.values() if c["ready"]), {})
    result = {**about, "took_s": round(time.monotonic() - began), **setting, "groups": groups, "contenders": contenders}
    return result | {"rows": duel_table.rows(result)}


def main(argv):
    given = parse(argv)
    setting = {key: getattr(given, key) for key in ("job", "batch", "size", "classes", "share", "rounds", "steps")}
    result = measured(given.contenders, lambda label: Rival(label, command(given, label), given.seconds_allowed),
                      setting, 2 if given.alone else None)
    result["command"] = measuring.shown_command("duel.py", argv)
    print(duel_table.markdown(result))
    if result["contenders"][given.contenders[0]]["failed"]:
        return 1
    if given.json:
        measuring.write(given.json, result)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
