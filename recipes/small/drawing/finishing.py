"""Effects of a camera on a drawn image: light, blur, noise, compression."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from recipes.small.drawing.textures import noise_field, smooth_field


def finish(image: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Make a drawn image look like one from a camera.

    Parameters
    ----------
    image
        ``float32`` array S×S×3, RGB, about 0–255.
    rng
        The only source of randomness.

    Returns
    -------
    numpy.ndarray
        ``uint8`` array S×S×3. No pixel moves, so labels stay valid.
    """
    size = image.shape[0]
    if rng.random() < 0.35:
        image = image * _light(rng, size)[..., None]
    if rng.random() < 0.3:
        cast = rng.normal(1, 0.08, 3).astype(np.float32)
        image = image * cast
    if rng.random() < 0.35:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.4, 1.1)))
    if rng.random() < 0.5:
        noise = noise_field(rng, size)[..., None] * np.float32(np.exp(rng.uniform(0, np.log(14))))
        if rng.random() < 0.5:
            tint = noise_field(rng, size)[..., None] * rng.normal(0, 3, 3).astype(np.float32)
            noise = noise + tint
        image = image + noise
    out = np.clip(image, 0, 255).astype(np.uint8)
    if rng.random() < 0.35:
        out = cv2.LUT(out, _curve(rng))
    if rng.random() < 0.25:
        quality = int(rng.integers(25, 90))
        # The codec swaps channels when encoding and swaps them back when decoding.
        _, data = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, quality])
        out = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return out


def _light(rng: np.random.Generator, size: int) -> NDArray[np.float32]:
    kind = rng.integers(3)
    t = np.linspace(-1, 1, size, dtype=np.float32)
    strength = np.float32(rng.uniform(0.1, 0.45))
    if kind == 0:
        a = rng.uniform(0, 2 * np.pi)
        return 1 + strength * (np.float32(np.cos(a)) * t[None] + np.float32(np.sin(a)) * t[:, None])
    if kind == 1:
        return 1 - strength * np.float32(0.7) * (t[None] ** 2 + t[:, None] ** 2)
    return np.clip(1 + strength * np.float32(0.5) * smooth_field(rng, size, 3), 0.3, 1.6)


def _curve(rng: np.random.Generator) -> NDArray[np.uint8]:
    v = np.linspace(0, 1, 256) ** np.exp(rng.uniform(-0.35, 0.35))
    v = (v - 0.5) * rng.uniform(0.75, 1.25) + 0.5
    return np.clip(v * 255, 0, 255).astype(np.uint8)
