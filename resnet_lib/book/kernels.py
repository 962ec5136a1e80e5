"""Notebooks run in kernels of this interpreter, which nobody else hears and which end with whoever waits for them."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import ipykernel.kernelspec
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.util import ensure_async
from nbformat import NotebookNode

CORES = "LOKY_MAX_CPU_COUNT"
"""The variable of the environment by which joblib, and so a sweep, is told how many cores it may use."""


class _ThisInterpreter(KernelSpecManager):
    """Finds one kernel, the interpreter that is running, whatever the user's folder holds under that name."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return KernelSpec(resource_dir=ipykernel.kernelspec.RESOURCES, **ipykernel.kernelspec.get_kernel_dict())


class _Kernel(AsyncKernelManager):
    """A kernel of this interpreter, whose messages nobody else on the machine can read."""

    def __init__(self, **options: Any):
        super().__init__(kernel_spec_manager=_ThisInterpreter(), transport_encryption="auto", **options)


class Client(NotebookClient):
    """Runs a notebook in a kernel of its own, which ends with the run, also where that is cancelled.

    Signals are left to the process: on a signal, nbclient would take the kernel away from under the cell that waits.
    """

    cores = 1

    @asynccontextmanager
    async def async_setup_kernel(self, **options: Any) -> AsyncGenerator[None, None]:
        """A kernel that lives for as long as the context."""
        self.km = kernel = self.create_kernel_manager()
        ended = False
        try:
            await self.async_start_new_kernel(env=os.environ | {CORES: str(self.cores)}, **options)
            await self.async_start_new_kernel_client()
            yield
            ended = True
        finally:
            if self.kc is not None:
                self.kc.stop_channels()
            if kernel.has_kernel:  # that of a notebook which ended may take its leave; another one may be busy
                await ensure_async(kernel.shutdown_kernel(now=not ended))


def client(notebook: NotebookNode, folder: Path, *, timeout: float, cores: int = 1) -> Client:
    """The client that runs `notebook` in place, in the working folder `folder`; `timeout` is in seconds per cell.

    Sweeps of the notebook use so many `cores`; with one they start no process of their own.
    """
    made = Client(
        notebook,
        kernel_manager_class=_Kernel,
        kernel_name="python3",
        timeout=timeout,
        startup_timeout=max(int(timeout), 60),  # a busy machine takes long to start one
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )
    made.cores = cores
    return made
