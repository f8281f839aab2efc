"""The client of a Dask cluster: the one that is given, the active one, or one of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rashin.extras import needs

__all__ = ["connection"]


@contextmanager
def connection(client: Any) -> Iterator[Any]:
    """A client; it is closed at the end if it was created here."""
    distributed = _distributed()
    client = _active() if client is None else client
    if isinstance(client, distributed.Client):
        if client.asynchronous:
            raise TypeError("client: got an asynchronous one; expected one that waits, asynchronous=False")
        yield client
    elif client is None:
        with _own_cluster() as cluster, distributed.Client(cluster, set_as_default=False) as own:
            yield own
    elif isinstance(client, (str, distributed.deploy.Cluster)):
        with distributed.Client(client, set_as_default=False) as own:
            yield own
    else:
        accepted = "a distributed.Client, a cluster, or the address of a scheduler"
        raise TypeError(f"client: got {type(client).__name__}; expected {accepted}")


def _distributed() -> Any:
    with needs("dask and distributed", "dask", "engine='dask'"):
        import distributed
    return distributed


def _active() -> Any:
    try:
        return _distributed().default_client()
    except ValueError:
        return None


def _own_cluster() -> Any:
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return _distributed().LocalCluster(n_workers=cpus, threads_per_worker=1, dashboard_address=":0")
