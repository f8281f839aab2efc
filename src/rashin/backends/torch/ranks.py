"""The processes of a group that compute one loss: what they tell each other, and how they fail together.

A process that raised alone would leave the others waiting for it. So whatever may fail on one rank runs between two
exchanges, and each exchange says whether it has failed: then all raise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import distributed

from rashin.refusal import Refusal

__all__ = ["Ranks"]


class Ranks:
    """The ranks of a process group; None is the default one."""

    def __init__(self, group: Any) -> None:
        if not (distributed.is_available() and distributed.is_initialized()):
            raise ValueError(
                "group: got no process group; expected one that is initialised; fix: call "
                "torch.distributed.init_process_group"
            )
        if group is not None and not isinstance(group, distributed.ProcessGroup):
            raise TypeError(
                f"group: got {type(group).__name__}; expected a process group that this process is in, or None for the "
                f"default one; fix: for a device mesh, use mesh.get_group()"
            )
        self.group, self.rank, self.size = group, distributed.get_rank(group), distributed.get_world_size(group)

    def gathered(self, make: Callable[[], Any], shape: tuple[int, ...], dtype: Any = np.float64) -> NDArray[Any]:
        """What ``make`` gives on every rank, in 64-bit numbers; if it fails on one, all raise."""
        mine, failure = np.zeros(shape, dtype), None
        try:
            mine[...] = make()
        except Exception as error:
            failure = error
        rows = self._all(np.append(mine.view(np.int64).reshape(-1), failure is not None))
        if rows[:, -1].any():
            self._raise(failure)
        return rows[:, :-1].copy().view(dtype).reshape(self.size, *shape)

    def run(self, make: Callable[[], Any]) -> Any:
        """What ``make`` gives here; if it fails on one rank, all raise."""
        found: list[Any] = []

        def kept() -> int:
            found.append(make())
            return 0

        self.gathered(kept, ())
        return found[0]

    def summed(self, tensor: torch.Tensor) -> torch.Tensor:
        """The sum over the ranks, in place."""
        if self.size > 1:
            distributed.all_reduce(tensor, group=self.group)
        return tensor

    def require_same(self, names: dict[str, tuple[str, str]], rows: NDArray[np.int64]) -> None:
        """Raise if a column of ``rows``, one row from each rank, is not the same on all; a name, and words for each."""
        for place, (name, (what, fix)) in enumerate(names.items()):
            others = np.flatnonzero(rows[:, place] != rows[0, place])
            if others.size:
                raise ValueError(
                    f"{name}: got {what} on rank {others[0]} other than on rank 0; expected the same on all ranks of "
                    f"the group; fix: {fix}"
                )

    def _all(self, mine: NDArray[np.int64]) -> NDArray[np.int64]:
        if self.size == 1:
            return mine[None]
        tensor = torch.from_numpy(mine)
        every = [torch.empty_like(tensor) for _ in range(self.size)]
        distributed.all_gather(every, tensor, group=self.group)
        return np.stack([one.numpy() for one in every])

    def _raise(self, failure: Exception | None) -> NoReturn:
        """Raise the failure of the first rank that has one: as it is if it is that of all."""
        every: list[Any] = [failure and _sent(failure)]
        if self.size > 1:
            mine = every[0]
            every = [None] * self.size
            distributed.all_gather_object(every, mine, group=self.group)
        rank = next(place for place, one in enumerate(every) if one is not None)
        first = every[rank]
        if failure is not None and all(str(one) == str(first) for one in every):
            raise failure
        place = f"rank {rank}"
        raise (first.within(place) if isinstance(first, Refusal) else type(first)(f"{place}, {first}")) from failure


def _sent(failure: Exception) -> Exception:
    """The failure as it can be sent: of a built-in type, or one of ours."""
    if type(failure) in (Refusal, TypeError, ValueError, NotImplementedError):
        return failure
    return RuntimeError(f"{type(failure).__name__}: {failure}")
