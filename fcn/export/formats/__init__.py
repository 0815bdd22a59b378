"""Export formats, one file each. The name of the file is the suffix of --to. An export format defines

    write(path, checkpoint, model) -> str
        Write the net of the checkpoint folder `checkpoint` to `path`. model: dict, "model" of the run's config.json.
        Returns one line that describes the content of the file.

    outputs(path, batches)
        Load the file with the runtime of that format. Yields (logits, prediction) for each batch of images.
        batches: iterable of uint8 (N, H, W, channels). logits: float32 (N, H, W, C). prediction: uint8 (N, H, W).

After `write`, the exporter compares `outputs` with the checkpoint's own outputs and deletes the file if they differ.
"""

REQUIRED = ("write(path, checkpoint, model)", "outputs(path, batches)")
