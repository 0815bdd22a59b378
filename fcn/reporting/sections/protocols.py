"""Scores under every protocol, the convention of each, and scores of groups of classes."""

from fcn.reporting.sections._html import HEADLINES, interval, render, scores_title

ORDER, TITLE, LINK = 10, "Protocols", "protocols"


def build(report):
    """HTML of the section, as the contract of fcn/reporting/sections says."""
    protocols, subsets = report.content.get("protocols") or {}, report.content.get("subsets") or {}
    if not protocols:
        return ""
    return render("protocols.html", protocols=protocols, tables=[
        _table("protocol", "", protocols), *([_table("classes", "Groups of classes", subsets)] if subsets else []),
        *(_table("class", f"Classes by {name}", _by_name(found["per_class"])) for name, found in protocols.items()
          if found.get("per_class"))])


def _by_name(rows):
    """Return {name of a class: {"scores"}} of the rows that a protocol has for the classes."""
    return {row["name"]: {"scores": {key: row[key] for key in row if key not in ("id", "name")}} for row in rows}


def _table(first, title, found):
    """Return the values of one table. found: {name: {"scores", "intervals", and optionally "size"}}, one row each."""
    keys = list(HEADLINES) + sorted({key for row in found.values() for key in row["scores"]} - set(HEADLINES))
    keys = [key for key in keys if any(key in row["scores"] for row in found.values())]
    return {"title": title, "first": first, "sized": any("size" in row for row in found.values()),
            "columns": [scores_title(key) for key in keys],
            "rows": [{"name": name, "size": row.get("size", ""),
                      "cells": [(row["scores"].get(key), interval(row, key)) for key in keys]}
                     for name, row in found.items()]}
