"""Medians, ratios and a table from the measurements of duel.py."""

import statistics


def seconds(result, label):
    """Return the median seconds of the contender's turn in each round of all groups; None for rounds without it."""
    return [statistics.median(done[label]["seconds"]) if label in done else None
            for group in result["groups"] for done in group]


def ratios(result, label, other):
    """Return [seconds of `label` / seconds of `other`] for every round with both."""
    pairs = zip(seconds(result, label), seconds(result, other), strict=True)
    return [one / two for one, two in pairs if one and two]


def rows(result):
    """Return {label: {"seconds", "images_per_second", "ratio", "ratio_range", "rounds", "others", ...}} of a result.

    ratio: seconds relative to the first contender, median over the rounds. others: cores that other processes used
    during its turns (None: unknown). More than a few hundredths mean that the machine was not idle.
    """
    first, found = next(iter(result["contenders"])), {}
    for label, contender in result["contenders"].items():
        times = [time for time in seconds(result, label) if time]
        row = {key: contender.get(key) for key in ("failed", "peak_bytes", "step_bytes", "file_bytes", "idle")}
        if times:
            middle, against = statistics.median(times), ratios(result, label, first)
            row |= {"seconds": middle, "images_per_second": result["batch"] / middle, "rounds": len(times),
                    "ratio": statistics.median(against), "ratio_range": [min(against), max(against)],
                    "others": _others(result, label)}
        found[label] = row
    return found


def _others(result, label):
    turns = [done[label] for group in result["groups"] for done in group if label in done]
    if any(found["others"] is None for found in turns):
        return None
    return sum(found["others"] for found in turns) / sum(sum(found["seconds"]) for found in turns)


def markdown(result):
    """Return the rows as a Markdown table, with machine, versions and command."""
    first = next(iter(result["contenders"]))
    lines = [f"| {result['job']}, batch {result['batch']} | images/s | s | times {first} (range) | peak | of the steps "
             "| others' cores | idle |", "|---|---|---|---|---|---|---|---|"]
    for label, row in result["rows"].items():
        if "seconds" not in row:
            lines.append(f"| {label} | {_plain(row['failed'])} | | | | | | |")
            continue
        low, high = row["ratio_range"]
        times = "1" if label == first else f"{row['ratio']:.2f} ({low:.2f} to {high:.2f})"
        note = f", then {_plain(row['failed'])}" if row["failed"] else ""
        lines.append(f"| {label} | {row['images_per_second']:.3g} | {row['seconds']:.3f}{note} | {times} "
                     f"| {_gigabytes(row['peak_bytes'])} | {_gigabytes(row['step_bytes'])} | {_share(row['others'])} "
                     f"| {_share(row['idle'])} |")
    size = "x".join(map(str, result["size"]))
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items()
                         if name in ("python", "tensorflow", "keras", "torch", "numpy"))
    share = "" if result["share"] == 1 else f", {result['share']:g} of the channels"
    return "\n".join([*lines, "", f"{size}, {result['classes']} classes{share}, {result['rounds']} rounds of "
                      f"{result['steps']}; {result['machine']}; {versions}; commit {result['commit']}; "
                      f"{result['time']}; `{result['command']}`"])


def _plain(text):
    return " ".join(text.replace("|", "/").split())


def _gigabytes(count):
    return "?" if count is None else f"{count / 1e9:.2f} GB"


def _share(value):
    return "?" if value is None else f"{value:.2f}"
