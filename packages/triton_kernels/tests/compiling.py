"""Kernels compiled for a GPU that is not there."""

from unittest import mock

from triton.backends.compiler import GPUTarget
from triton.runtime.driver import driver
from triton_kernels import _compat
from triton_kernels._compat import Launch


class TargetOnly:
    """As much of a driver as compiling asks for."""

    def __init__(self, capability):
        self.target = GPUTarget("cuda", capability, 32)

    def get_current_target(self):
        return self.target

    def get_current_device(self):
        return self.target.arch

    def get_current_stream(self, device):
        return 0


def ptx_of_launches(call, monkeypatch):
    """Of each kernel that the call would launch on an H200, as text."""
    launches = []

    def record(launch, *tensors, varying=()):
        arguments = (*launch._shown(tensors), *launch._scalars, *varying)
        launches.append((launch._kernel, arguments, {**launch._constants, **launch._options}))

    monkeypatch.setattr(_compat, "device_of", lambda _: _compat.Device((9, 0), 132))
    monkeypatch.setattr(driver, "_active", TargetOnly(90))
    with mock.patch.object(Launch, "__call__", record):
        call()
    return [
        kernel.warmup(*arguments, grid=(1,), **options).asm["ptx"]
        for kernel, arguments, options in launches
    ]
