"""Goals for speed and memory, and whether the results in benchmarks/results/ reach them."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

import duel_table
import measuring
import operations
import startup

GB = 1e9


HEALTHY = 0.2  # least share of the peak, in float32 on a CPU, of a contender that is worth comparing with
PEERS = {"pytorch:": "PyTorch", "keras3:": "Keras"}
UNET_PEERS = "keras:"
BATCHES, PRECISIONS = (1, 2, 4), ("float32", "bfloat16")


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

    def bound(self):
        """Return the limit as text, such as '>= 1.5'."""
        return f"{'>=' if self.at_least else '<='} {self.limit:g}{self.unit}"

    def cell(self, results):
        """Return the measured number, bold if it misses the limit, '' if it was not measured."""
        number = self.found(results)
        if number is None:
            return ""
        reached = number >= self.limit if self.at_least else number <= self.limit
        return f"{number:.3g}{self.unit}" if reached else f"**{number:.3g}{self.unit}**"


def contenders(results, job, batch, prefix="", kind=""):
    """Return [{"name", "seconds" (median), "peak_bytes", ...}] of the contenders of a duel that did not fail.

    Only names that start with `prefix` and contain `kind`.
    """
    rows = results.get(f"{job}-{batch}", {"rows": {}})["rows"]
    return [{"name": name, **row} for name, row in rows.items()
            if not row["failed"] and "seconds" in row and name.startswith(prefix) and kind in name
            and not name.startswith("gemm:")]


def healthy(duel, name):
    """Return whether a contender is at least at HEALTHY of the peak in float32; True where the peak is not known.

    A library may be at a few percent of the peak on a processor for which it has no fast kernels.
    """
    on_gpu = duel.get("gpus") or duel.get("hardware", {}).get("gpus")
    share = None if on_gpu or "bfloat16" in name else share_of_peak(duel, name)
    return share is None or share >= HEALTHY


def fastest(results, job, batch, prefix="", kind=""):
    """Return the contender with the smallest ratio to the reference of its duel, or None.

    Of ours, those with nothing undone; of others, the healthy ones.
    """
    duel = results.get(f"{job}-{batch}")
    good = [one for one in contenders(results, job, batch, prefix, kind)
            if (one["name"].endswith(PRECISIONS) if prefix.startswith("ours:") else healthy(duel, one["name"]))]
    return min(good, key=lambda one: one["ratio"], default=None)


def ratio(job, batch, ours, peer, kind=""):
    """Return a found() for a Goal: speed of our variant `ours` relative to the fastest of the peer's healthy ones.

    kind: text that the names of the peer's variants contain.
    """
    def found(results):
        one, other = fastest(results, job, batch, f"ours:{ours}"), fastest(results, job, batch, peer, kind)
        return one and other and times_as_fast(results[f"{job}-{batch}"], one["name"], other["name"])[0]
    return found


def inside(name, part, job, ours, peer):
    """Return a found() as ratio() gives, for a duel that is stored under this file name.

    part: function content -> the duel. ours: the precision or "" for our fastest.
    """
    def found(results):
        return ratio(job, 0, ours, peer)({f"{job}-0": part(results[name])}) if name in results else None
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


def memory(batch, without_files=False):
    """Return a found(): peak memory of our training in float32 relative to the smallest of PyTorch's in float32.

    without_files: leave out pages of files, such as those of libraries, which the system can free.
    """
    def held(one):
        return one["peak_bytes"] - (one.get("file_bytes") or 0) * without_files

    def found(results):
        ours, theirs = (contenders(results, "train", batch, prefix, "float32") for prefix in ("ours:", "pytorch:"))
        if without_files and not all(one.get("file_bytes") for one in (*ours, *theirs)):
            return None
        return held(ours[0]) / min(map(held, theirs)) if ours and theirs else None
    return found


def share(job, batch, name):
    """Return a found(): the contender's share of the speed of a matrix product."""
    def found(results):
        duel = results.get(f"{job}-{batch}")
        return duel and share_of_peak(duel, name)
    return found


def share_of_peak(duel, name):
    """Return operations/s of a contender relative to the matrix product of the same dtype, median over the rounds.

    None if one of them was not measured. Fixed upsampling counts with four inputs per pixel.
    """
    kind = "bfloat16" if "bfloat16" in name else "float32"
    rows = duel["rows"]
    if "share_of_peak" in rows.get(name, {}):
        return rows[name]["share_of_peak"]
    if any("seconds" not in rows.get(one, {}) for one in (f"gemm:{kind}", name)):
        return None
    count = duel["batch"] * operations.of_job(duel["job"], operations.net_of(name), tuple(duel["size"]),
                                              duel["classes"], measuring.widths(duel.get("share", 1.0)), "blocks")
    return times_as_fast(duel, name, f"gemm:{kind}")[0] * count / operations.PEAK_STEP


def of_gpu(content):
    """Return {"train-1": duel, ...} of a result of gpu.py without XLA, its rounds taken in their order.

    Contenders were measured one after the other, so that a ratio is less certain than that of a duel.
    """
    duels = {}
    for step in content["steps"]:
        if step["failed"] or step["xla"]:
            continue
        duel = duels.setdefault(f"{step['job']}-{step['batch']}", {
            "job": step["job"], "batch": step["batch"], "size": content["size"], "classes": content["classes"],
            "share": content["share"], "gpus": content["gpus"], "groups": [[{} for _ in step["seconds"]]], "rows": {}})
        for done, seconds in zip(duel["groups"][0], step["seconds"], strict=True):
            done[step["contender"]] = {"seconds": [seconds], "others": None}
        middle = statistics.median(step["seconds"])
        first = next(iter(duel["rows"].values()))["seconds"] if duel["rows"] else middle
        duel["rows"][step["contender"]] = {
            "failed": None, "seconds": middle, "images_per_second": step["batch"] / middle, "ratio": middle / first,
            "peak_bytes": step["peak_bytes"], "share_of_peak": step["share_of_peak"]}
    return duels


def started(number):
    """Return a found(): median of number(start) over our starts."""
    def found(results):
        good = [one for one in results.get("startup", {"starts": {}})["starts"].get("ours", []) if not one["failed"]]
        return statistics.median(map(number, good)) if good else None
    return found


def wait_percent(results):
    shares = results.get("evaluate_speed", {}).get("training", {}).get("wait_shares")
    return 100 * statistics.mean(shares) if shares else None


def dense(results):
    """Return the speed of fcn8s_atonce in training relative to its dense-bilinear form, or None."""
    rows = results.get("train-atonce", {}).get("rows", {})
    names = [f"ours:fcn8s_atonce-float32{undone}" for undone in ("", "-scattered")]
    if any("seconds" not in rows.get(name, {}) for name in names):
        return None
    return times_as_fast(results["train-atonce"], *names)[0]


JOBS = {"train": "training", "predict": "prediction"}
UNETS = ("unet_pix2pix_densenet121", "unet_efficientnetb4")
GOALS = (
    *(Goal(f"{what} {precision}, batch {batch}, against {peer}{'' if kind else ' at its best'}", 1.5,
           ratio(job, batch, precision, prefix, kind))
      for job, what in JOBS.items() for precision, kind in (("float32", "float32"), ("bfloat16", ""))
      for prefix, peer in PEERS.items() for batch in BATCHES),
    *(Goal(f"{net}, {JOBS[job]}, batch 2, at our best, against PyTorch at its best", 1.5,
           inside(f"{job}-{net.removeprefix('fcn8s_')}", lambda duel: duel, job, f"{net}-", "pytorch:"))
      for job, net in (("train", "fcn8s_atonce"), ("predict", "fcn8s_atonce"), ("train", "fcn32s"))),
    Goal("fcn8s_atonce, training, batch 2, against its dense bilinear form", 1.12, dense),
    *(Goal(f"{net}, {JOBS[job]}, batch 2, at our best, against Keras at its best", 1.5,
           inside(net, lambda content, job=job: content["jobs"][job], job, "", UNET_PEERS))
      for net in UNETS for job in JOBS),
    *(Goal(f"share of the {precision} peak, training, batch 2", 0.80, share("train", 2, f"ours:{precision}"))
      for precision in ("float32", "bfloat16")),
    *(Goal(f"peak memory of training float32, batch {batch}, over PyTorch's{what}", 1.0, memory(batch, without), False)
      for what, without in (("", False), (", without the pages of libraries", True)) for batch in BATCHES),
    Goal(".mat read, graph built, weights in the session", 3.5, started(startup.ready), False, " s"),
    Goal("peak memory then", 2.0, started(lambda one: one["session"]["peak_bytes"] / GB), False, " GB"),
    Goal("time that training waits for data", 1.0, wait_percent, False, " %"),
)


def table(machines):
    """Return a Markdown table: goals as rows, machines as columns. machines: {heading: results}."""
    lines = [f"| goal | | {' | '.join(machines)} |", "|---" * (2 + len(machines)) + "|"]
    return "\n".join([*lines, *(f"| {goal.what} | {goal.bound()} | "
                                f"{' | '.join(goal.cell(results) for results in machines.values())} |"
                                for goal in GOALS)])
