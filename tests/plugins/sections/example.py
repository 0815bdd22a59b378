"""The image with the lowest mean IoU, in a section between the confusion matrix and the images."""

from fcn.reporting.sections._html import render_text

ORDER, TITLE, LINK = 35, "Worst image", "worst image"


def build(report):
    rows = [row for row in report.content["per_image"] if row["mean_iou"] is not None]
    if not rows:
        return ""
    return render_text("<p>{{ name }}: {{ mean_iou|fixed }}</p>", **min(rows, key=lambda row: row["mean_iou"]))
