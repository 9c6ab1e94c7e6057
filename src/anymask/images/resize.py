"""Resize images so that the longest side fits the model, and scale coordinates with them.

The image encoder takes a square. An image is scaled, keeping its aspect ratio, until its longest
side fills the square (Segment Anything, appendix A, "Image encoder"). Prompts are scaled too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from anymask.images.normalize import check_rgb, rgb_of

if TYPE_CHECKING:
    from torch import Tensor

# Pixels passed to Pillow at a time: it makes a copy with four bytes per pixel.
_PIXELS_AT_ONCE = 2**23


class ResizeLongestSide:
    """Scale images, points and boxes so that an image's longest side has a given length.

    Parameters
    ----------
    target_length
        Length of the longest side after resizing, in pixels (1024 for the published models).

    Examples
    --------
    >>> import numpy as np
    >>> transform = ResizeLongestSide(256)
    >>> transform.apply_image(np.zeros((180, 240, 3), np.uint8)).shape
    (192, 256, 3)
    >>> transform.apply_coords(np.array([[120.0, 90.0]]), (180, 240))
    array([[128.,  96.]])
    """

    def __init__(self, target_length: int) -> None:
        self.target_length = target_length

    def apply_image(self, image: Any) -> NDArray[np.uint8]:
        """Resize an image with Pillow's bilinear filter, which averages when shrinking.

        Parameters
        ----------
        image
            ``uint8`` array H×W×3, or an :class:`anymask.Image`, shown as :func:`anymask.to_rgb`
            does by default.

        Returns
        -------
        numpy.ndarray
            ``uint8`` array h×w×3 with ``max(h, w) == target_length``.

        Raises
        ------
        ImageError
            If the array is not a ``uint8`` H×W×3 image.
        """
        image = rgb_of(image)
        check_rgb(image)
        height, width = self.get_preprocess_shape(
            image.shape[0], image.shape[1], self.target_length
        )
        return _resized(image, height, width)

    def apply_coords(
        self, coords: ArrayLike, original_size: tuple[int, int]
    ) -> NDArray[np.float64]:
        """Scale points (x, y) from an image of ``original_size`` (H, W) to its resized copy.

        Parameters
        ----------
        coords
            Array …×2 of (x, y) in pixels of the original image.
        original_size
            Height and width of the original image.

        Returns
        -------
        numpy.ndarray
            A new ``float64`` array of the same shape.
        """
        scaled = np.array(coords, dtype=np.float64)
        scale_x, scale_y = self._scales(original_size)
        scaled[..., 0] *= scale_x
        scaled[..., 1] *= scale_y
        return scaled

    def apply_boxes(self, boxes: ArrayLike, original_size: tuple[int, int]) -> NDArray[np.float64]:
        """Scale boxes (x0, y0, x1, y1); any array …×4 is returned as N×4 ``float64``."""
        corners = np.asarray(boxes).reshape(-1, 2, 2)
        return self.apply_coords(corners, original_size).reshape(-1, 4)

    def apply_image_torch(self, image: Tensor) -> Tensor:
        """Resize a batch of float images B×3×H×W on its own device.

        Uses antialiased bilinear interpolation. The result is close to :meth:`apply_image` but not
        identical, because it is not rounded to whole values.
        """
        from torch.nn import functional

        height, width = image.shape[-2:]
        return functional.interpolate(
            image,
            self.get_preprocess_shape(height, width, self.target_length),
            mode="bilinear",
            align_corners=False,
            antialias=True,
        )

    def apply_coords_torch(self, coords: Tensor, original_size: tuple[int, int]) -> Tensor:
        """Scale a tensor …×2 of (x, y) as :meth:`apply_coords` does; returns new ``float32``."""
        import torch

        return coords.to(torch.float32) * coords.new_tensor(
            self._scales(original_size), dtype=torch.float32
        )

    def apply_boxes_torch(self, boxes: Tensor, original_size: tuple[int, int]) -> Tensor:
        """Scale a tensor …×4 of (x0, y0, x1, y1); the result is N×4 ``float32``."""
        return self.apply_coords_torch(boxes.reshape(-1, 2, 2), original_size).reshape(-1, 4)

    @staticmethod
    def get_preprocess_shape(oldh: int, oldw: int, long_side_length: int) -> tuple[int, int]:
        """Height and width of the resized copy of an ``oldh``×``oldw`` image.

        Halves are rounded up. Each side has at least one pixel, even for a very thin image.

        Examples
        --------
        >>> ResizeLongestSide.get_preprocess_shape(1200, 1800, 1024)
        (683, 1024)
        >>> ResizeLongestSide.get_preprocess_shape(20000, 4, 1024)
        (1024, 1)
        """
        scale = long_side_length * 1.0 / max(oldh, oldw)
        return max(1, int(oldh * scale + 0.5)), max(1, int(oldw * scale + 0.5))

    def _scales(self, original_size: tuple[int, int]) -> tuple[float, float]:
        """Factors for x and y; they differ a little, as each side is rounded to whole pixels."""
        old_height, old_width = original_size
        height, width = self.get_preprocess_shape(old_height, old_width, self.target_length)
        return width / old_width, height / old_height


class ResizeToSquare(ResizeLongestSide):
    """Scale images, points and boxes to a square, whatever their proportions, as SAM 2 does.

    Parameters
    ----------
    target_length
        Side of the square in pixels (1024 for the published models).

    Examples
    --------
    >>> import numpy as np
    >>> transform = ResizeToSquare(256)
    >>> transform.apply_image(np.zeros((180, 240, 3), np.uint8)).shape
    (256, 256, 3)
    >>> transform.apply_coords(np.array([[120.0, 90.0]]), (180, 240))
    array([[128., 128.]])
    """

    @staticmethod
    def get_preprocess_shape(oldh: int, oldw: int, long_side_length: int) -> tuple[int, int]:
        """Height and width of the resized copy of any image."""
        return long_side_length, long_side_length


def resize_for(target_length: int, stretches: bool) -> ResizeLongestSide:
    """Return how images are resized for an encoder: stretched to a square, or by their longest
    side.
    """
    return (ResizeToSquare if stretches else ResizeLongestSide)(target_length)


def _resized(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Resize an image as Pillow does, in strips of rows if it is large.

    Pillow first resizes along the rows, rounds to 8 bits, and then resizes along the columns. Rows
    are independent, so strips give the same result. Tall images are not cut into strips, because
    some versions of Pillow resize their columns first.
    """
    rows = max(1, _PIXELS_AT_ONCE // image.shape[1])
    if rows < image.shape[0] <= 1.5 * image.shape[1]:
        narrow = np.empty((image.shape[0], width, 3), np.uint8)
        for top in range(0, len(image), rows):
            strip = Image.fromarray(np.ascontiguousarray(image[top : top + rows]))
            resized = strip.resize((width, strip.height), Image.Resampling.BILINEAR)
            narrow[top : top + rows] = np.asarray(resized)
        image = narrow
    return np.array(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
