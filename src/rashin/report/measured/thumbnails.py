"""Small images of samples, embedded in the page."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rashin.extras import needs
from rashin.measurement import Row
from rashin.report.measured.predicted import at_rows

__all__ = ["thumbnail", "thumbnails"]

_SIDE = 112  # pixels: twice as many as are shown, for screens that have them


def thumbnails(rows: list[Row], images: Mapping[tuple[str, int], ArrayLike] | ArrayLike | None) -> list[str | None]:
    """A data URI for each row; None for rows without an image in the mapping, and for all if ``images`` is None.

    Parameters
    ----------
    rows : rows to show.
    images : mapping from (source, row) to an image, or an array of images by row: (n, H, W), (n, H, W, 3), or
        (n, H * H).

    Raises
    ------
    ValueError : the images of an array cannot be matched, because the rows come from several sources or there are more
        rows than images; or an image has another shape.
    """
    if images is None:
        return [None] * len(rows)
    found = at_rows("images", images, rows, np.asarray)
    return [None if image is None else thumbnail(image) for image in found]


def thumbnail(image: ArrayLike) -> str:
    """A PNG as a data URI.

    Parameters
    ----------
    image : array (H, W), (H, W, 3), or (H * H,). Whole numbers are 0 to 255; others are 0 to 1 or, if some lie outside,
        scaled from their smallest to their largest.

    Raises
    ------
    ImportError : matplotlib is not installed.
    ValueError : the image has another shape, or none of its numbers is finite.

    Examples
    --------
    >>> thumbnail([[0.0, 1.0], [0.5, 0.25]])[:22]
    'data:image/png;base64,'
    """
    with needs("matplotlib", "report", "a picture on a page"):
        from matplotlib.image import imsave
    pixels = _pixels(np.asarray(image))
    stride = max(1, math.ceil(max(pixels.shape[:2]) / _SIDE))
    file = io.BytesIO()
    imsave(file, pixels[::stride, ::stride], format="png")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _pixels(image: NDArray[Any]) -> NDArray[Any]:
    """Red, green and blue of the image, from 0 to 255."""
    side = math.isqrt(image.size)
    if image.ndim == 1 and side * side == image.size:
        image = image.reshape(side, side)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    if image.size == 0 or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)):
        raise ValueError(f"images: got one of shape {image.shape}; expected (H, W), (H, W, 3) or (H * H,)")
    if image.dtype.kind in "iu":
        pixels: NDArray[Any] = np.clip(image, 0, 255)
    else:
        values = np.nan_to_num(image.astype(np.float64), nan=0.0, posinf=1.0, neginf=0.0)
        low, high = min(float(values.min()), 0.0), max(float(values.max()), 1.0)
        pixels = np.round(255.0 * (values - low) / (high - low))
    pixels = pixels.astype(np.uint8)
    return pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)
