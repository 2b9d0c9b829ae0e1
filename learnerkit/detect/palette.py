"""A colour for each class, the same in every picture: safe for colour-blind eyes while classes are few."""

import colorsys

FEW = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")  # of Okabe and Ito (2008)
GOLDEN = 0.381966  # of the circle: hues that follow each other lie far apart, however many there are
SHADES = ((0.95, 0.75), (0.6, 1.0), (1.0, 0.72))  # saturation and value, in turn


def class_colour(code: int) -> tuple[int, int, int]:
    """Red, green and blue of a class, 0 to 255. code: its number, from 0."""
    if code < len(FEW):
        return tuple(bytes.fromhex(FEW[code][1:]))
    number = code - len(FEW)
    shade = colorsys.hsv_to_rgb((0.02 + number * GOLDEN) % 1, *SHADES[number % len(SHADES)])
    return tuple(round(255 * part) for part in shade)


def text_colour(ground: tuple[int, int, int]) -> tuple[int, int, int]:
    """Black or white, whichever is read better on a ground, by WCAG's contrast of 21:1 at most."""
    linear = [part / 3294.6 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in ground]
    light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return (0, 0, 0) if light > 0.179 else (255, 255, 255)
