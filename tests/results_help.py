"""An evaluation's files from matrices made by hand."""

from fcn.evaluation import results


def write(folder, original, network, spec, facts):
    """What eval_fcn.py does with what it has counted; the content of report.json."""
    content = facts | results.measured(original, network, spec, facts.get("layout"))
    results.save(folder, original, network, content)
    return content
