"""Goals for speed and memory, and whether the results in benchmarks/results/ reach them."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

import duel_table
import measuring
import operations
import startup

GB = 1e9


@dataclass(frozen=True)
class Goal:
    """A limit for one number.

    found: function results -> the number, None if it was not measured. results: {file name without .json: content}.
    at_least: whether the number must be at least the limit, else at most.
    """

    what: str
    limit: float
    found: Callable
    at_least: bool = True
    unit: str = ""

    def row(self, results):
        """Return a Markdown row: what, goal, measured number, verdict."""
        number = self.found(results)
        limit = f"{'>=' if self.at_least else '<='} {self.limit:g}{self.unit}"
        if number is None:
            return f"| {self.what} | {limit} | not measured | |"
        reached = number >= self.limit if self.at_least else number <= self.limit
        return f"| {self.what} | {limit} | {number:.3g}{self.unit} | {'reached' if reached else '**missed**'} |"


def contenders(results, job, batch, prefix="", kind=""):
    """Return [{"name", "seconds" (median), "peak_bytes", ...}] of the contenders of a duel that did not fail.

    Only names that start with `prefix` and contain `kind`.
    """
    rows = results.get(f"{job}-{batch}", {"rows": {}})["rows"]
    return [{"name": name, **row} for name, row in rows.items()
            if not row["failed"] and "seconds" in row and name.startswith(prefix) and kind in name
            and not name.startswith("gemm:")]


def fastest(found):
    """Return the contender with the smallest ratio to the reference of its duel, or None for an empty list."""
    return min(found, key=lambda one: one["ratio"], default=None)


def ratio(job, batch, ours, peer, kind=""):
    """Return a found() for a Goal: speed of our fastest variant relative to the fastest of the peer."""
    def found(results):
        one, other = (fastest(contenders(results, job, batch, *which)) for which in (("ours:", ours), (peer, kind)))
        return one and other and times_as_fast(results[f"{job}-{batch}"], one["name"], other["name"])[0]
    return found


def times_as_fast(duel, one, other):
    """Return (median, minimum, maximum) of seconds of `other` / seconds of `one`, over the rounds with both.

    If there is no such round, the product of their median ratios to the duel's first contender.
    """
    pairs = duel_table.ratios(duel, other, one)
    if not pairs:
        first = next(iter(duel["rows"]))
        chained = statistics.median(duel_table.ratios(duel, other, first)) * statistics.median(
            duel_table.ratios(duel, first, one))
        pairs = [chained]
    return statistics.median(pairs), min(pairs), max(pairs)


def memory(batch):
    """Return a found(): peak memory of our training in float32 relative to the smallest of PyTorch's in float32."""
    def found(results):
        ours, theirs = (contenders(results, "train", batch, prefix, "float32") for prefix in ("ours:", "pytorch:"))
        return ours[0]["peak_bytes"] / min(one["peak_bytes"] for one in theirs) if ours and theirs else None
    return found


def share(job, batch, name):
    """Return a found(): the contender's share of the speed of a matrix product."""
    def found(results):
        duel = results.get(f"{job}-{batch}")
        return duel and share_of_peak(duel, name)
    return found


def share_of_peak(duel, name):
    """Return operations/s of a contender relative to the matrix product of the same dtype, median over the rounds.

    None if there is no round with both.
    """
    kind = "bfloat16" if "bfloat16" in name else "float32"
    if f"gemm:{kind}" not in duel["rows"] or name not in duel["rows"]:
        return None
    count = duel["batch"] * operations.of_job(duel["job"], "fcn8s" if ":fcn8s-" in name else "fcn8s_tutorial",
                                              tuple(duel["size"]), duel["classes"],
                                              measuring.widths(duel.get("share", 1.0)))
    found = duel_table.ratios(duel, f"gemm:{kind}", name)
    return statistics.median(found) * count / operations.PEAK_STEP if found else None


def started(number):
    """Return a found(): median of number(start) over our starts."""
    def found(results):
        good = [one for one in results.get("startup", {"starts": {}})["starts"].get("ours", []) if not one["failed"]]
        return statistics.median(map(number, good)) if good else None
    return found


def wait_percent(results):
    shares = results.get("evaluate_speed", {}).get("training", {}).get("wait_shares")
    return 100 * statistics.mean(shares) if shares else None


def paper(results):
    """Return the speed of fcn8s relative to its dense implementation, or None."""
    found = duel_table.ratios(results["paper"], "ours:fcn8s-float32-scattered", "ours:fcn8s-float32") \
        if "paper" in results else []
    return statistics.median(found) if found else None


GOALS = (
    *(Goal(f"train float32, batch {batch}, against PyTorch float32", limit, ratio("train", batch, "float32",
                                                                                 "pytorch:", "float32"))
      for batch, limit in ((1, 1.9), (2, 1.6), (4, 1.5))),
    *(Goal(f"train float32, batch {batch}, against Keras 3 float32", limit, ratio("train", batch, "float32", "keras3:",
                                                                                 "float32"))
      for batch, limit in ((1, 1.4), (2, 1.35), (4, 1.2))),
    Goal("train at our best, batch 2, against PyTorch float32", 2.7, ratio("train", 2, "", "pytorch:", "float32")),
    Goal("train at our best, batch 2, against PyTorch at its best", 2.2, ratio("train", 2, "", "pytorch:")),
    Goal("train at our best, batch 2, against Keras at its best", 1.5, ratio("train", 2, "", "keras3:")),
    *(Goal(f"inference at our best, batch {batch}, against PyTorch at its best", limit, ratio("predict", batch, "",
                                                                                             "pytorch:"))
      for batch, limit in ((1, 2.0), (2, 1.55))),
    *(Goal(f"inference at our best, batch {batch}, against Keras at its best", 1.6, ratio("predict", batch, "",
                                                                                         "keras3:"))
      for batch in (1, 2)),
    Goal("share of the float32 peak, training, batch 2", 0.80, share("train", 2, "ours:float32")),
    Goal("share of the float32 peak, inference, batch 2", 0.92, share("predict", 2, "ours:float32")),
    *(Goal(f"peak memory of training with Adam, batch {batch}, over PyTorch's", 1.0, memory(batch), at_least=False)
      for batch in (1, 2, 4)),
    Goal(".mat read, graph built, weights in the session", 3.5, started(startup.ready), False, " s"),
    Goal("peak memory then", 2.0, started(lambda one: one["session"]["peak_bytes"] / GB), False, " GB"),
    Goal("time that training waits for data", 1.0, wait_percent, False, " %"),
    Goal("the paper's fcn8s: training step against its dense bilinear form", 1.12, paper),
)


def table(results):
    return "\n".join(["| | goal | found | |", "|---|---|---|---|", *(goal.row(results) for goal in GOALS)])
