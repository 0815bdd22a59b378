"""One file per export format: the file's name is the suffix of --to.

    write(path, checkpoint, model) -> str       writes the net in the folder `checkpoint`, of a run whose config.json
                                                says `model`, and gives a line on what is in the file
    outputs(path, batches)      loads that file anew, with the program that its users have, and yields (logits float32
                                (N, H, W, C), prediction uint8 (N, H, W)) of each batch of images uint8 (N, H, W, 3)
"""

REQUIRED = ("write(path, checkpoint, model)", "outputs(path, batches)")
