"""Shapes of arrays of samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Shaped"]


class Shaped:
    """Shapes of arrays of samples.

    Attributes
    ----------
    axes : number of axes of one sample, the last ones of an array: 0 for numbers, 1 for rows.
    target_axes : number of axes of its target, if the target can vary: of a row it is a distribution over the classes.
    has_classes : True if a sample has as many entries as there are classes, and its target is one of these.
    is_joint : True if a sample has several numbers and its target one.
    """

    axes: ClassVar[int]
    target_axes: ClassVar[int] = 0
    has_classes: ClassVar[bool] = False
    is_joint: ClassVar[bool] = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the entries of a sample, if they differ in meaning."""
        return ()

    @property
    def columns(self) -> int:
        """The number of entries of a sample, if they differ in meaning; else 0."""
        return len(self.names)

    def batch_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the losses, one for each sample, if an array of samples has that shape."""
        return shape[: len(shape) - self.axes]

    def sample_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of one sample: () for numbers, (C,) for rows."""
        return shape[len(shape) - self.axes :]

    def flattened(self, prediction: NDArray[Any], target: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Predictions and their targets with all samples along the first axis, in C order."""
        sample = self.sample_shape(prediction.shape)
        of_target = sample if target.ndim == prediction.ndim else ()
        return prediction.reshape(-1, *sample), target.reshape(-1, *of_target)
