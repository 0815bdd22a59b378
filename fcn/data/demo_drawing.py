"""Draw street and room scenes from a seed, with their labels.

Image and label are drawn with the same shapes, so labels are exact.

Colour alone does not decide a class: walls and buildings may be as blue as the sky, trees as brown as a floor, and cars
have the colours of clothes. A net also needs texture, shape and position. Light and noise vary between images.
'window' is a window viewed from inside; windows of houses across the street are building. Pavements, pictures, rugs,
sculptures and black bars are 'other', label 0, as in ADE20K.
"""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

CLASSES = (      # labels 1, 2, ...: name, and base colours (RGB)
    ("wall",     ((226, 214, 190), (158, 186, 216), (186, 204, 172), (222, 186, 172), (212, 212, 208))),
    ("building", ((152, 86, 68), (198, 180, 148), (128, 138, 154), (166, 188, 212), (186, 150, 120))),
    ("sky",      ((112, 164, 224), (178, 196, 212), (228, 190, 158), (84, 128, 192))),
    ("road",     ((104, 104, 110), (132, 126, 118), (82, 86, 94))),
    ("floor",    ((152, 104, 62), (194, 162, 122), (118, 108, 102), (140, 70, 62))),
    ("grass",    ((92, 138, 58), (128, 150, 68), (160, 150, 88), (72, 112, 60))),
    ("tree",     ((56, 98, 48), (88, 118, 46), (168, 106, 42), (48, 78, 58))),
    ("person",   ((188, 50, 50), (44, 66, 130), (230, 226, 220), (40, 42, 46), (214, 176, 52), (60, 120, 92))),
    ("car",      ((186, 34, 36), (36, 72, 150), (222, 224, 226), (44, 46, 52), (150, 154, 160), (206, 168, 44))),
    ("window",   ((186, 214, 236), (150, 186, 216), (226, 230, 226), (60, 74, 104))),
    ("sofa",     ((160, 52, 48), (66, 84, 120), (196, 184, 164), (74, 62, 54), (92, 120, 84))),
)
LABELS = {name: label for label, (name, _) in enumerate(CLASSES, start=1)}
COLOURS = dict(
    CLASSES, skin=((226, 182, 150), (176, 122, 88), (104, 70, 50)), hair=((40, 30, 26), (120, 84, 46)),
    glass=((30, 34, 40), (100, 112, 124)), tyre=((28, 28, 30),), hub=((150, 150, 152),), plate=((64, 64, 66),),
    lamp=((250, 240, 205), (200, 30, 30)), wood=((112, 78, 50),), frame=((240, 238, 230), (112, 78, 50)),
    slab=((176, 168, 156), (150, 146, 144)),
    other=((230, 60, 160), (250, 150, 30), (60, 200, 190), (120, 60, 190), (240, 230, 60)))

# Parts of objects: colour ('own' is one colour for the whole object), brightness, shape of ImageDraw, and x y pairs
# relative to the foot in units of the object's size, y upward.
PARTS = {
    "person": (
        ("person", 1.0, "polygon", (-.12, .52, .12, .52, .12, 0, .02, 0, 0, .36, -.02, 0, -.12, 0)),    # trousers
        ("own", 1.0, "rectangle", (-.13, .48, .13, .78)), ("own", 1.0, "ellipse", (-.16, .70, .16, .86)),
        ("own", 0.85, "polygon", (-.11, .84, -.20, .46, -.13, .44, -.07, .70)),                          # arms
        ("own", 0.85, "polygon", (.11, .84, .20, .46, .13, .44, .07, .70)),
        ("hair", 1.0, "ellipse", (-.09, .82, .09, 1.0)), ("skin", 1.0, "ellipse", (-.07, .81, .07, .96))),
    "car side": (
        ("own", 1.0, "rectangle", (-.48, .07, .48, .21)), ("own", 1.0, "ellipse", (-.50, .06, -.30, .22)),
        ("own", 1.0, "ellipse", (.30, .06, .50, .22)),
        ("own", 1.1, "polygon", (-.44, .20, -.30, .36, .12, .36, .27, .20)),
        ("glass", 1.0, "polygon", (-.35, .21, -.26, .33, -.10, .33, -.10, .21)),
        ("glass", 1.0, "polygon", (-.06, .21, -.06, .33, .10, .33, .20, .21)),
        ("tyre", 1.0, "ellipse", (-.38, 0, -.20, .17)), ("tyre", 1.0, "ellipse", (.20, 0, .38, .17)),
        ("hub", 1.0, "ellipse", (-.33, .05, -.25, .12)), ("hub", 1.0, "ellipse", (.25, .05, .33, .12))),
    "car end": (
        ("tyre", 1.0, "rectangle", (-.46, 0, -.28, .20)), ("tyre", 1.0, "rectangle", (.28, 0, .46, .20)),
        ("own", 0.9, "rectangle", (-.50, .10, .50, .46)),
        ("own", 1.1, "polygon", (-.46, .45, -.34, .78, .34, .78, .46, .45)),
        ("glass", 1.0, "polygon", (-.36, .47, -.28, .72, .28, .72, .36, .47)),
        ("lamp", 1.0, "ellipse", (-.46, .27, -.28, .41)), ("lamp", 1.0, "ellipse", (.28, .27, .46, .41)),
        ("plate", 1.0, "rectangle", (-.20, .14, .20, .24))),
    "sofa": (
        ("own", 0.90, "rectangle", (-.46, .05, .46, .44)), ("own", 0.65, "rectangle", (-.40, .03, .40, .17)),
        ("own", 1.20, "rectangle", (-.38, .16, -.01, .24)), ("own", 1.20, "rectangle", (.01, .16, .38, .24)),
        ("own", 1.05, "rectangle", (-.50, .01, -.36, .30)), ("own", 1.05, "rectangle", (.36, .01, .50, .30))),
}
GROWTH = {"person": 1.0, "car side": 1.4, "car end": 0.95, "sofa": 1.2, "tree": 1.5, "other": 0.6}
SIZES = (        # width, height; from 3:4 to 16:9, few of them multiples of 32
    (128, 96), (96, 128), (160, 120), (160, 90), (149, 101), (137, 103), (103, 137), (120, 150), (111, 111))
GREY_SHARE, BAR_SHARE = 0.02, 0.08                          # shares of grey images and of images with a black bar


class Canvas:
    """An image, float32 (H, W, 3), 0-255, and its label, uint8 (H, W). Lengths are in pixels, y downward."""

    def __init__(self, rng, width, height):
        self.rng, self.width, self.height, self.unit = rng, width, height, min(width, height)
        self.image = np.zeros((height, width, 3), np.float32)
        self.label = np.zeros((height, width), np.uint8)
        self.y, self.x = np.mgrid[:height, :width].astype(np.float32)[..., None]

    def mask(self, shape, points):
        """bool (H, W), true inside a shape. points: x y pairs; two corners in any order unless shape is 'polygon'."""
        if shape != "polygon":
            (x0, x1), (y0, y1) = sorted(points[::2]), sorted(points[1::2])
            points = x0, y0, x1, y1
        filled = Image.new("L", (self.width, self.height))
        getattr(ImageDraw.Draw(filled), shape)([float(p) for p in points], fill=1)
        return np.asarray(filled).astype(bool)

    def paint(self, name, shape, points, colour, gain=1.0):
        """Fill a shape with colour * gain (both broadcast to (H, W, 3)) and set its label to that of `name`."""
        # Most shapes are small, so only the bounding box is computed.
        rows, columns = (slice(max(int(min(p)), 0), max(int(max(p)) + 2, 0)) for p in (points[1::2], points[::2]))
        mask, whole = self.mask(shape, points)[rows, columns], self.image.shape
        colour, gain = (np.broadcast_to(a, whole)[rows, columns][mask] for a in (colour, gain))
        self.image[rows, columns][mask] = colour * gain
        self.label[rows, columns][mask] = LABELS.get(name, 0)

    def noise(self, cell_px, contrast):
        """Smooth noise, float32 (H, W, 1), from 1 - contrast to 1 + contrast, with blobs about cell_px wide."""
        cells = self.rng.random((int(self.height / cell_px) + 2, int(self.width / cell_px) + 2), np.float32)
        blobs = Image.fromarray(cells).resize((self.width, self.height), Image.Resampling.BICUBIC)
        return 1 + contrast * (2 * np.asarray(blobs)[..., None] - 1)

    def between(self, low, high):
        """A uniform random number."""
        return self.rng.uniform(low, high)

    def chance(self, probability):
        """True with this probability."""
        return self.rng.random() < probability

    def colour(self, name):
        """A random colour of `name`, float32 (3,), with small changes of brightness and hue."""
        choices = COLOURS[name]
        base = np.array(choices[self.rng.integers(len(choices))])
        return np.clip(base * self.between(0.82, 1.12) + self.rng.normal(0, 8, 3), 8, 250).astype(np.float32)


def paint_sky(c, horizon):
    """Sky with haze at the horizon and, sometimes, clouds, on the whole canvas."""
    colour, haze = c.colour("sky"), 0.6 * np.clip(c.y / horizon, 0, 1)
    field = colour + haze * (np.array((236, 232, 226)) - colour)
    clouds = c.chance(0.6) * np.clip(1.4 * (c.noise(c.unit / c.between(3, 6), 1.0) - 1), 0, 0.7)
    c.paint("sky", "rectangle", (0, 0, c.width, c.height), field + clouds * (245 - field))


def paint_ground(c, horizon):
    """Grass or, less often, a pavement of slabs below the horizon."""
    name = "grass" if c.chance(0.8) else "slab"
    depth = np.maximum(c.y - horizon, 1)
    joints = ((c.x - c.width / 2) / depth * 3 % 1 < 0.12) | (2 * c.unit / depth % 1 < 0.12)
    blades, slabs = c.noise(2, 0.22) * c.noise(c.unit / 5, 0.15), c.noise(2, 0.06) * (1 - 0.2 * joints)
    c.paint(name, "rectangle", (0, horizon, c.width, c.height), c.colour(name),
            blades if name == "grass" else slabs)


def paint_road(c, shape, points, dashes):
    """Asphalt, with white where `dashes`, a bool or bool (H, W, 1), is true."""
    colour = np.where(dashes, np.array((225, 222, 205)), c.colour("road"))
    c.paint("road", shape, points, colour, c.noise(1, 0.07) * c.noise(c.unit / 4, 0.1))


def facade(c, across, upward):
    """Colours (H, W, 3) of a brick front with a window in every unit of `across` and `upward`."""
    panes = (across % 1 < c.between(0.35, 0.6)) & (upward % 1 < c.between(0.4, 0.65))
    bricks = c.colour("building") * c.noise(1.5, 0.1) * c.noise(c.unit / 3, 0.08)
    return np.where(panes, c.colour("window") * c.between(0.3, 1.0) * c.noise(5, 0.25), bricks)


def paint_front_row(c, base):
    """A row of houses that face the viewer and stand on the line y = base."""
    x = -c.between(0, 0.2) * c.unit
    while x < c.width:
        wide, top, pitch = c.between(0.3, 0.7) * c.unit, base * c.between(0, 0.6), c.between(0.09, 0.16) * c.unit
        if c.chance(0.82):
            roof, right = c.chance(0.4) * 0.15 * c.unit, x + wide
            c.paint("building", "polygon", (x, base, x, top, x + wide / 2, top - roof, right, top, right, base),
                    facade(c, (c.x - x) / pitch + 0.8, (c.y - top) / pitch + 0.7))
        x += wide


def paint_side_row(c, side, vanish_x, horizon, spread):
    """Houses along a side of a street (-1 left, 1 right), in perspective."""
    reach = max(vanish_x, c.width - vanish_x) + 2
    away = np.maximum(side * (c.x - vanish_x), 1)
    for start in reach * np.array((c.between(0.1, 0.2), c.between(0.4, 0.7))):
        rise, gain = c.between(0.6, 1.6), c.between(0.7, 1.0)
        points = [p for r, slope in ((start, -rise), (reach, -rise), (reach, 1 / spread), (start, 1 / spread))
                  for p in (vanish_x + side * r, horizon + slope * r)]
        c.paint("building", "polygon", points, facade(c, 2.2 * reach / away, (c.y - horizon) / away * 5.5), gain)


def place(c, kind, x, foot, size):
    """Draw an object and its shadow at (x, foot). Trees and sculptures are drawn here, other objects from PARTS."""
    c.image[c.mask("ellipse", (x - 0.4 * size, foot - 0.08 * size, x + 0.4 * size, foot + 0.08 * size))] *= 0.65
    if kind == "tree":
        c.paint("tree", "rectangle", (x - 0.06 * size, foot - 0.5 * size, x + 0.06 * size, foot), c.colour("wood"))
        light = np.clip(0.4 - 0.9 * (c.y - foot) / size, 0.65, 1.25)
        leaves = c.colour("tree") * c.noise(3, 0.4) * light
        for _ in range(7):
            r, dx, dy = size * c.rng.uniform((0.14, -0.2, -0.85), (0.22, 0.2, -0.45))
            c.paint("tree", "ellipse", (x + dx - r, foot + dy - r, x + dx + r, foot + dy + r), leaves)
    elif kind == "other":
        angle = np.linspace(0, 2 * np.pi, c.rng.integers(5, 10), endpoint=False)
        radius = c.rng.uniform(0.3, 0.6, angle.size) * size
        points = np.stack([x + radius * np.cos(angle), foot - size / 2 + radius * np.sin(angle)], axis=1).ravel()
        stripes = (c.x * c.between(-1, 1) + c.y) / (0.12 * size) % 2 < 1
        c.paint("other", "polygon", points, np.where(stripes, c.colour("other"), c.colour("other")))
    else:
        name, mirror = kind.split()[0], c.rng.choice((-1, 1))
        colours = {part[0]: c.colour(part[0]) for part in PARTS[kind] if part[0] != "own"}
        colours["own"], cloth = c.colour(name), c.noise(3, 0.06) * (1 + c.between(-0.4, 0.4) * (c.x - x) / size)
        for colour, gain, shape, corners in PARTS[kind]:
            moved = [foot - p * size if i % 2 else x + mirror * p * size for i, p in enumerate(corners)]
            c.paint(name, shape, moved, colours[colour], gain * cloth)


def populate(c, kinds, most, feet, eye, x_of=None):
    """Draw up to `most` objects, far ones first, so that near ones hide them. feet: (far, near), range of their y.

    The size of an object is the distance of its foot below y = eye, times its GROWTH. x_of(kind, below): its x.
    """
    for foot in sorted(c.rng.uniform(*feet, c.rng.integers(1, most + 1))):
        kind, below = c.rng.choice(kinds), foot - eye
        x = x_of(kind, below) if x_of else c.between(0.05, 0.95) * c.width
        place(c, kind, x, foot, below * GROWTH[kind] * c.between(0.9, 1.1))


def street(c):
    """A scene along a road."""
    vanish_x, horizon = c.width * c.between(0.35, 0.65), c.height * c.between(0.3, 0.5)
    road, drop = c.between(0.8, 1.2), 1.1 * (c.height - horizon)    # road: half its width per pixel of depth
    paint_sky(c, horizon)
    paint_ground(c, horizon)
    if c.chance(0.5):
        place(c, "tree", vanish_x, horizon + 2, c.between(0.3, 0.5) * c.unit)
    for side in (-1, 1):
        if c.chance(0.75):
            paint_side_row(c, side, vanish_x, horizon, road * c.between(1.3, 2.0))
    depth = np.maximum(c.y - horizon, 1)
    dashes = (np.abs(c.x - vanish_x) / depth < 0.05) & (1.5 * drop / depth % 1 < 0.55)
    paint_road(c, "polygon", (vanish_x, horizon, vanish_x + road * drop, horizon + drop,
                              vanish_x - road * drop, horizon + drop), dashes)
    lane = {"car end": (0.45, 0.55), "person": (0.3, 1.3), "other": (1.2, 1.4)}
    populate(c, ("car end", "car end", "person", "person", "other"), 5, (horizon + 0.3 * c.unit, c.height), horizon,
             lambda kind, below: vanish_x + c.rng.choice((-1, 1)) * road * below * c.between(*lane[kind]))


def lawn(c):
    """A scene with grass, a road or a path and, sometimes, houses."""
    horizon = c.height * c.between(0.35, 0.58)
    far, near = horizon + c.height * c.between(0.08, 0.16), c.height * c.between(0.85, 1.1)
    end = c.between(0, c.width)
    paint_sky(c, horizon)
    if c.chance(0.7):
        paint_front_row(c, horizon)
    paint_ground(c, horizon)
    if c.chance(0.6):
        populate(c, ("tree", "person"), 3, (horizon + 0.04 * c.unit, far), horizon - 0.27 * c.unit)
        dashes = (np.abs(c.y - (far + near) / 2) < 1.5) & (c.x / (0.2 * c.unit) % 1 < 0.5)
        paint_road(c, "rectangle", (0, far, c.width, near), dashes)
        kinds: tuple[str, ...] = ("car side", "car side", "person")
    else:
        paint_road(c, "polygon", (c.width / 2, horizon, c.width / 2 + 3, horizon, end + 0.35 * c.unit, c.height,
                                  end - 0.35 * c.unit, c.height), False)
        kinds = ("tree", "tree", "person", "car side", "other")
    populate(c, kinds, 4, (far + 0.08 * c.unit, c.height), horizon - 0.12 * c.unit)


def window(c, x0, y0, x1, y1):
    """A window with a frame and two panes, through which sky and trees are visible. All of it is labelled window."""
    bar, middle = 0.03 * c.unit, (x0 + x1) / 2
    skyline = y0 + (y1 - y0) * c.between(0.4, 1.1)
    view = np.where(c.y < skyline, c.colour("window"), c.colour("tree")) * c.noise(5, 0.15)
    c.paint("window", "rectangle", (x0, y0, x1, y1), c.colour("frame"))
    for left, right in ((x0 + bar, middle - bar / 2), (middle + bar / 2, x1 - bar)):
        c.paint("window", "rectangle", (left, y0 + bar, right, y1 - bar), view)


def paint_shell(c, left, right, base):
    """The walls and floor of a room. The back wall is between `left` and `right` and ends at y = base."""
    colour, pitch = c.colour("wall"), c.between(0.06, 0.14) * c.unit
    paper = c.noise(c.unit / 3, 0.08) * (1 - c.rng.choice((0, 0.1)) * (c.x / pitch % 1 < 0.5))
    dim = c.between(0.72, 0.92) * c.noise(c.unit / 3, 0.08)
    c.paint("wall", "rectangle", (0, 0, c.width, c.height), colour, dim)
    c.paint("wall", "rectangle", (left, 0, right, base), colour, paper)
    depth, flare = np.maximum(c.y - base + 0.35 * c.height, 1), 0.8 * (c.height - base)
    across, along = (c.x - c.width / 2) / depth * c.between(3, 7), c.between(1.5, 4) * c.unit / depth
    planks, tiles = across % 1 < 0.15, (across % 2 < 1) ^ (along % 2 < 1)
    pattern = (1, 1 - 0.3 * planks, 1 - 0.3 * tiles)[c.rng.integers(3)]     # the first is a carpet
    c.paint("floor", "polygon", (left, base, right, base, right + flare, c.height, left - flare, c.height),
            c.colour("floor"), pattern * c.noise(1.5, 0.07) * c.noise(c.unit / 3, 0.12))


def room(c):
    """A scene in a room: windows or pictures, people and sofas, sometimes a rug."""
    base = c.height * c.between(0.55, 0.75)
    paint_shell(c, c.between(-0.2, 0.2) * c.width, c.between(0.8, 1.2) * c.width, base)
    if c.chance(0.4):
        x, y, r = c.between(0.3, 0.7) * c.width, (base + c.height) / 2, c.between(0.25, 0.4) * c.unit
        c.paint("other", "ellipse", (x - r, y - r / 3, x + r, y + r / 3), c.colour("other"), c.noise(3, 0.3))
    slots = max(2 * c.width // c.unit, 2)
    for x in (np.arange(slots) + 0.5) * c.width / slots:
        wide, top, kind = c.between(0.28, 0.46) * c.unit, c.between(0.05, 0.2) * c.height, c.rng.integers(4)
        if kind < 2:
            window(c, x - wide / 2, top, x + wide / 2, top + c.between(0.32, 0.45) * c.height)
        elif kind == 2:
            c.paint("other", "rectangle", (x - wide / 3, top, x + wide / 3, top + 0.6 * wide), c.colour("other"),
                    c.noise(4, 0.6))
    populate(c, ("person", "sofa"), 3, (base + 0.03 * c.unit, 1.05 * c.height), base - 0.5 * c.unit)


KINDS: tuple = ((street, 0.26), (lawn, 0.36), (room, 0.38))    # (scene, share)


def expose(c):
    """Apply random exposure, colour cast, blur and noise of a camera: uint8 (H, W, 3)."""
    slope = c.between(-0.25, 0.25) * (c.x / c.width - 0.5) + c.between(-0.25, 0.25) * (c.y / c.height - 0.5)
    lit = np.clip(c.image * c.between(0.6, 1.15) * (1 + slope) * c.rng.uniform(0.9, 1.1, 3), 0, 255)
    soft = Image.fromarray(lit.astype(np.uint8)).filter(ImageFilter.GaussianBlur(c.between(0.2, 0.8)))
    return np.clip(soft + c.rng.normal(0, c.between(1, 7), lit.shape), 0, 255).astype(np.uint8)


def draw(seed, split, i):
    """Scene i of a split (0 training, 1 validation), a function of the three numbers.

    Returns (image, label): uint8 (H, W, 3), or (H, W) for the few grey images, and uint8 (H, W).
    """
    rng = np.random.default_rng((seed, split, i))
    c = Canvas(rng, *SIZES[rng.integers(len(SIZES))])
    scene = rng.choice(len(KINDS), p=[share for _, share in KINDS])
    KINDS[scene][0](c)
    if c.chance(BAR_SHARE):
        c.paint("other", "rectangle", (0, c.between(0.86, 0.92) * c.height, c.width, c.height), np.full(3, 12))
    image = Image.fromarray(expose(c))
    return np.asarray(image.convert("L") if c.chance(GREY_SHARE) else image), c.label
