"""How well mini-batches represent all data: the loss of a larger mini-batch is a better estimate of the whole loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rashin.learn.samples.batches import minibatches
from rashin.learn.samples.samples import samples_for
from rashin.learn.training.objective import loss_of_each

if TYPE_CHECKING:
    from rashin.learn.network.network import Network
    from rashin.loss import Loss

__all__ = ["MinibatchLosses", "minibatch_losses"]

Array = NDArray[Any]

_ROWS = 4096


@dataclass(frozen=True, eq=False)
class MinibatchLosses:
    """The losses of random mini-batches of several sizes.

    Attributes
    ----------
    sizes : samples per mini-batch, (k,).
    losses : mean loss per sample of each mini-batch, (k, draws).
    whole : mean loss of all ``samples``.
    deviation : standard deviation of the loss of a single sample.
    samples : number of samples.
    """

    sizes: Array
    losses: Array
    whole: float
    deviation: float
    samples: int

    def quantile(self, share: float) -> Array:
        """For each size, the loss below which this share of the mini-batches lies, (k,)."""
        found: Array = np.quantile(self.losses, share, axis=1)
        return found

    @property
    def spread(self) -> Array:
        """For each size, the root mean squared distance of the mini-batch losses from the loss of all data, (k,)."""
        spread: Array = np.sqrt(np.mean((self.losses - self.whole) ** 2, axis=1))
        return spread

    @property
    def expected_spread(self) -> Array:
        """The spread that statistics predicts, (k,): deviation / sqrt(size), smaller as the batch nears all samples."""
        n = self.samples
        return self.deviation / np.sqrt(self.sizes) * np.sqrt((n - self.sizes) / max(n - 1, 1))


def minibatch_losses(
    network: Network,
    x: Array,
    target: ArrayLike,
    loss: Loss,
    *,
    sizes: Sequence[int] | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> MinibatchLosses:
    """The losses of many random mini-batches, and the loss of all data. No sample occurs twice in a mini-batch.

    Parameters
    ----------
    network, x, target, loss : as in ``evaluate``.
    sizes : sizes of the mini-batches, from 1 to the number of samples; None for the powers of 2 up to half of it.
    draws : number of mini-batches of each size, a whole number >= 1.
    seed : seed for the draws.

    Raises
    ------
    ValueError : network, loss and data do not fit together, a size is out of range, there are no draws, or the loss of
        a sample is infinite.

    Examples
    --------
    >>> import numpy as np
    >>> import rashin
    >>> from rashin.learn import Network
    >>> x, labels = np.eye(8, dtype=np.float32), np.arange(8) % 2
    >>> found = minibatch_losses(Network((8, 2)), x, labels, rashin.softmax_cross_entropy, sizes=[1, 4, 8])
    >>> bool(np.all(np.diff(found.spread) < 0)), float(found.spread[-1].round(12))
    (True, 0.0)
    """
    each = _loss_of_each(network, x, target, loss)
    chosen = _checked_sizes(sizes, len(each))
    if not isinstance(draws, int | np.integer) or draws < 1:
        raise ValueError(f"draws: got {draws!r}; expected a whole number >= 1")
    if not np.isfinite(each).all():
        place = int(np.argmin(np.isfinite(each)))
        raise ValueError(f"x: got sample {place}, whose {loss.name} is {each[place]}; expected samples of finite loss")
    rng, losses = np.random.default_rng(seed), np.empty((chosen.size, draws))
    for draw in range(draws):
        sums = np.cumsum(
            rng.permutation(each)[: chosen.max()]
        )  # its first m entries are a random batch of every size m
        losses[:, draw] = sums[chosen - 1] / chosen
    return MinibatchLosses(chosen, losses, float(each.mean()), float(each.std()), len(each))


def _loss_of_each(network: Network, x: Array, target: ArrayLike, loss: Loss) -> Array:
    """The loss of each sample, (n,), in float64."""
    targets = samples_for(network, loss, x, target).target
    batches = minibatches(x, targets, size=_ROWS, shuffle=False)
    parts = (loss_of_each(loss, network.predict(batch).astype(np.float64), target) for batch, target in batches)
    return np.concatenate(list(parts))


def _checked_sizes(sizes: Sequence[int] | None, samples: int) -> NDArray[np.int64]:
    if sizes is None:
        return 2 ** np.arange(max(1, samples.bit_length() - 1))
    found = np.asarray(sizes)
    is_whole = found.ndim == 1 and found.size > 0 and found.dtype.kind in "iu"
    if not is_whole or found.min() < 1 or found.max() > samples:
        raise ValueError(f"sizes: got {sizes!r}; expected whole numbers from 1 to {samples}, the number of samples")
    return found.astype(np.int64)
