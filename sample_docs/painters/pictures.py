"""Raster pictures, drawn with NumPy and Pillow from fixed seeds: a harbour at dusk, stacked containers, a map."""

from io import BytesIO
from pathlib import Path

import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

FONT = Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"


def harbour(width: int = 1100, height: int = 700) -> bytes:
    """Cranes against a low sun over water: a photograph as far as any program can tell."""
    dice = np.random.default_rng(7)
    horizon = int(height * 0.58)
    rows = np.linspace(0, 1, horizon)[:, None, None]
    sky = np.array([38, 62, 104]) * (1 - rows) + np.array([246, 176, 112]) * rows
    sky = np.broadcast_to(sky, (horizon, width, 3)).copy()
    across, down = np.meshgrid(np.arange(width), np.arange(horizon))
    far = np.hypot(across - width * 0.63, down - horizon * 0.86) / width
    sky += (190 * np.exp(-((far / 0.09) ** 2)))[:, :, None] * np.array([1.0, 0.86, 0.6])
    sky = np.clip(sky + 10 * _clouds(dice, horizon, width)[:, :, None], 0, 255)
    scene = Image.fromarray(np.vstack([sky, np.zeros((height - horizon, width, 3))]).astype(np.uint8))
    _skyline(ImageDraw.Draw(scene), width, horizon)
    top = scene.crop((0, 2 * horizon - height, width, horizon)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    water = np.asarray(top.filter(ImageFilter.GaussianBlur(3)), dtype=np.float64) * 0.62
    ripples = dice.normal(0, 1, (height - horizon, width // 24 + 1)).repeat(24, axis=1)[:, :width]
    scene.paste(Image.fromarray(np.clip(water + 9 * ripples[:, :, None], 0, 255).astype(np.uint8)), (0, horizon))
    return _jpeg(scene.filter(ImageFilter.GaussianBlur(0.8)), dice)


def containers(width: int = 1000, height: int = 560) -> bytes:
    """A wall of stacked containers in afternoon light."""
    dice = np.random.default_rng(23)
    scene = Image.new("RGB", (width, height), (150, 178, 205))
    pen = ImageDraw.Draw(scene)
    paints = [(154, 58, 42), (36, 84, 120), (196, 148, 52), (66, 110, 74), (120, 124, 130), (92, 50, 74)]
    pen.rectangle((0, height - 60, width, height), fill=(104, 100, 94))
    for column in range(-1, 6):
        for level in range(int(dice.integers(3, 6))):
            left, foot = column * 190 + 20, height - 46 - level * 92
            red, green, blue = paints[int(dice.integers(len(paints)))]
            for stripe in range(0, 180, 9):
                light = (0.8, 1.0, 1.12)[stripe // 9 % 3] - stripe / 900
                color = tuple(min(255, int(part * light)) for part in (red, green, blue))
                pen.rectangle((left + stripe, foot - 88, left + stripe + 8, foot), fill=color)
            pen.rectangle((left, foot - 88, left + 181, foot), outline=(40, 36, 34), width=3)
    return _jpeg(scene.filter(ImageFilter.GaussianBlur(1.1)), dice)


def harbour_map(width: int = 1200, height: int = 800) -> bytes:
    """A map of the basins, with names drawn into the picture."""
    scene = Image.new("RGB", (width, height), (205, 226, 238))
    pen = ImageDraw.Draw(scene)
    pen.polygon(
        [
            (0, 0),
            (width, 0),
            (width, 250),
            (930, 300),
            (840, 260),
            (660, 330),
            (520, 290),
            (300, 380),
            (150, 350),
            (0, 430),
        ],
        fill=(236, 231, 216),
    )
    pen.polygon(
        [(0, 800), (0, 690), (200, 640), (420, 700), (700, 640), (1010, 720), (1200, 660), (1200, 800)],
        fill=(236, 231, 216),
    )
    for left, top, right, foot in (
        (250, 330, 330, 470),
        (480, 270, 560, 440),
        (700, 290, 790, 470),
        (930, 280, 1010, 430),
    ):
        pen.rectangle((left, top, right, foot), fill=(222, 214, 190), outline=(120, 112, 96), width=3)
    pen.line([(0, 240), (260, 210), (540, 170), (840, 150), (1200, 90)], fill=(214, 160, 70), width=9)
    for x in (290, 520, 745, 970):
        pen.line([(x, 330), (x, int(232 - x * 0.1))], fill=(214, 160, 70), width=5)
    pen.line([(1200, 560), (820, 540), (520, 560), (120, 520), (0, 540)], fill=(120, 160, 190), width=3)
    pen.ellipse((836, 600, 856, 620), fill=(190, 40, 40))
    labels = [("North Quay", 180, 480, 26), ("Grain Pier", 448, 450, 26), ("Ro-Ro Terminal", 650, 480, 26), ("East Mole", 906, 440, 26),
              ("Brightwater Sound", 420, 580, 34), ("Light", 866, 596, 22), ("A 27", 600, 118, 24), ("OLD TOWN", 320, 90, 30)]  # fmt: skip
    for text, x, y, size in labels:
        pen.text((x, y), text, font=ImageFont.truetype(str(FONT), size), fill=(44, 60, 78))
    pen.line([(60, 760), (260, 760)], fill=(30, 30, 30), width=5)
    pen.text((60, 722), "500 m", font=ImageFont.truetype(str(FONT), 24), fill=(30, 30, 30))
    buffer = BytesIO()
    scene.quantize(32, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _clouds(dice: np.random.Generator, height: int, width: int) -> np.ndarray:
    layers = np.zeros((height, width))
    for cells in (6, 14, 30):
        grain = Image.fromarray((dice.random((cells, cells)) * 255).astype(np.uint8)).resize(
            (width, height), Image.Resampling.BICUBIC
        )
        layers += np.asarray(grain, dtype=np.float64) / 255 - 0.5
    return layers


def _skyline(pen: ImageDraw.ImageDraw, width: int, horizon: int) -> None:
    dark = (26, 26, 38)
    pen.rectangle((0, horizon - 22, width, horizon), fill=dark)
    for x, size in ((120, 150), (270, 190), (420, 170), (880, 210), (1010, 160)):
        foot, head = horizon - 20, horizon - size
        pen.line([(x - 26, foot), (x - 16, head), (x + 16, head), (x + 26, foot)], fill=dark, width=7)
        pen.line([(x - 70, head - 8), (x + 96, head - 34)], fill=dark, width=7)
        pen.line([(x, head - 52), (x - 66, head - 8)], fill=dark, width=3)
        pen.line([(x, head - 52), (x + 92, head - 34)], fill=dark, width=3)
        pen.line([(x, head), (x, head - 52)], fill=dark, width=6)
    for x in range(520, 800, 44):
        pen.rectangle((x, horizon - 22 - (x * 7) % 46, x + 40, horizon - 20), fill=dark)


def _jpeg(scene: Image.Image, dice: np.random.Generator) -> bytes:
    grain = dice.normal(0, 3.2, (scene.height, scene.width, 1))
    noisy = np.clip(np.asarray(scene, dtype=np.float64) + grain, 0, 255).astype(np.uint8)
    buffer = BytesIO()
    Image.fromarray(noisy).save(buffer, "JPEG", quality=76)
    return buffer.getvalue()
