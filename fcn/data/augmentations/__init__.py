"""One file per augmentation: a random change of a sample, drawn from a generator of (seed, sample number) of its own.

    draw(rng) -> value                  what is drawn, once per sample; the same value moves image and label
    change(array, value) -> array       of an image, uint8 (h, w, 3); with MOVES_LABEL also of a label, uint8 (h, w)
Optional:
    MOVES_LABEL     the label is changed like the image: true for what moves pixels, false for what changes colours
    PADS            samples may reach beyond their image; pixels out there are ignored
    size_before(size_px, value)         the (height, width) of which change() makes one of size_px
    window_px(size_px, value)           the (height, width) of the window that is cut and then resized to size_px
    STREAM          number of the random generator and place in the order; never change it. Files without one draw from
                    a generator numbered by their name, and come last, by name
"""

REQUIRED = ("draw(rng)", "change(array, value)")
OPTIONAL = {"MOVES_LABEL": False, "PADS": False, "size_before": None, "window_px": None, "STREAM": None}
