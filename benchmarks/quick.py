"""A trial of one minute for bench.py --quick: how fast is this machine, and which precision and library are faster?"""

import sys

import duel
import duel_table
import gemm
import goals
import machines
import measuring
from rival import Rival

from fcn.core import machine

CONTENDERS = ("ours:float32", "ours:bfloat16", "pytorch:nchw-float32", "keras3:float32")
SETTING = ("--job", "train", "--batch", "2", "--size", "128x128", "--share", "0.25", "--rounds", "4", "--steps", "3")
SIZES, ROUNDS = (2048,), 2
TRIAL = ("This is a trial with a narrow net and few rounds; no result is stored. `make bench` measures the published "
         "nets.")


def measured():
    """Return (result of gemm.case() or its failure, result of a duel)."""
    print("matrix products", file=sys.stderr, flush=True)
    products = measuring.in_a_process(gemm.__file__, [machine.cores(), SIZES, ROUNDS])
    given = duel.parse([*SETTING, *CONTENDERS])
    setting = {key: getattr(given, key) for key in ("job", "batch", "size", "classes", "share", "rounds", "steps")}
    return products, duel.measured(CONTENDERS, lambda label: Rival(label, duel.command(given, label), 120), setting)


def verdict(products, result):
    """Return the lines to print. Arguments as measured() returns them."""
    lines = [machines.title(result)]
    if products["failed"]:
        lines.append(f"matrix product: failed: {products['failed']}")
    else:
        speeds = {kind: gemm.best(products, kind) for kind in goals.PRECISIONS}
        lines.append("matrix product: " + ", ".join(f"{speed:.0f} GFLOP/s in {kind}" for kind, speed in speeds.items()))
    size = "x".join(map(str, result["size"]))
    lines.append(f"training, {size}, batch {result['batch']}, {result['share']:g} of the channels:")
    lines += [f"  {label:22} {_speed(result, label)}" for label in result["rows"]]
    return "\n".join([*lines, _faster(result), _disturbed(result), TRIAL])


def _speed(result, label):
    row = result["rows"][label]
    if "seconds" not in row:
        return f"not measured: {row['failed']}"
    first = next(iter(result["rows"]))
    against = "" if label == first else f", {row['ratio']:.2f} times the time of {first}"
    return f"{row['images_per_second']:6.2f} images/s{against}"


def _faster(result):
    pairs = duel_table.ratios(result, "ours:float32", "ours:bfloat16")
    if not pairs:
        return "float32 and bfloat16 could not be compared."
    ratio, least, most = measuring.ratios(pairs, [1] * len(pairs))
    if least < 1 < most:
        return f"float32 and bfloat16 are about equally fast here ({least:.2f} to {most:.2f})."
    faster, other = ("bfloat16", "float32") if ratio > 1 else ("float32", "bfloat16")
    return f"{faster} is faster here: {max(ratio, 1 / ratio):.2f} times as fast as {other}."


def _disturbed(result):
    others = [row["others"] for row in result["rows"].values() if row.get("others") is not None]
    if not others or max(others) < 0.1:
        return "No other process disturbed the measurement." if others else "Other processes were not observed."
    return f"Other processes used up to {max(others):.1f} cores meanwhile: do not trust these numbers."


def main():
    print(f"\n{verdict(*measured())}")
