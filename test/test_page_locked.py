import ctypes
import gc
import mmap

import numpy as np
import pytest

from facemesh_ros import page_locked
from facemesh_ros.page_locked import host_buffer


class Cuda:
    """The three calls of the CUDA runtime, as its manual has them, with a record."""

    def __init__(self, code=0):
        self.code, self.locked, self.unlocked, self.cleared = code, {}, [], 0

    def cudaHostRegister(self, address, size, flags):  # noqa: N802
        self.locked[address.value] = (size.value, flags.value)
        return self.code

    def cudaHostUnregister(self, address):  # noqa: N802
        ctypes.string_at(address.value, 1)  # the pages are still there: else this would crash
        self.unlocked.append(address.value)
        return 0

    def cudaGetLastError(self):  # noqa: N802
        self.cleared += 1
        return self.code


@pytest.fixture(params=[None, Cuda, lambda: Cuda(2)], ids=["without CUDA", "with CUDA", "CUDA refuses"])
def cuda(request, monkeypatch):
    runtime = request.param and request.param()
    monkeypatch.setattr(page_locked, "_cuda_runtime", lambda: runtime)
    return runtime


@pytest.mark.parametrize("shape", [(0, 2, 2, 3), (1, 2, 2, 3), (5, 192, 192, 3)])
def test_it_is_an_array_of_zeros_to_write_to(cuda, shape):
    array = host_buffer(shape)
    assert (array.shape, array.dtype) == (shape, np.uint8)
    assert not array.any()
    array[...] = 7
    assert (array == 7).all()


def test_buffers_share_no_page(cuda):
    addresses = [host_buffer((1, 10, 10, 3)).ctypes.data for _ in range(2)]
    assert all(address % mmap.PAGESIZE == 0 for address in addresses)


def test_pages_are_locked_whole_and_unlocked_when_the_last_view_is_gone(monkeypatch):
    cuda = Cuda()
    monkeypatch.setattr(page_locked, "_cuda_runtime", lambda: cuda)
    array = host_buffer((2, 4, 4, 3))
    address, view = array.ctypes.data, array[1:]
    assert cuda.locked == {address: (array.nbytes, 0)}
    del array
    gc.collect()
    assert not cuda.unlocked
    del view
    gc.collect()
    assert cuda.unlocked == [address]


def test_a_refusal_is_no_error_and_leaves_none_behind(monkeypatch):
    cuda = Cuda(code=2)
    monkeypatch.setattr(page_locked, "_cuda_runtime", lambda: cuda)
    array = host_buffer((1, 2, 2, 3))
    del array
    gc.collect()
    assert (cuda.cleared, cuda.unlocked) == (1, [])


def test_cuda_is_not_loaded_for_it():
    assert page_locked._already_loaded("libcudart.so.of-no-machine") is None
