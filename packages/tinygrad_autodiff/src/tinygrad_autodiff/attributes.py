"""What a tensor is: its sizes, its dtype, where its elements lie, and itself transposed."""

from __future__ import annotations

from typing import Any

from .dtypes import Array, Dtype
from .errors import ArgumentTypeError, RangeError, ShapeError
from .registry import op
from .versions import owner


class Attributes:
    """The part of `Tensor` that says what there is in `_data`."""

    __slots__ = ()

    _data: Array

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the dimensions."""
        return self._data.shape

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one dimension."""
        return self._data.shape if dim is None else self._data.shape[dim]

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return self._data.ndim

    def dim(self) -> int:
        """Number of dimensions."""
        return self._data.ndim

    def numel(self) -> int:
        """Number of elements."""
        return self._data.size

    @property
    def dtype(self) -> Dtype:
        """The NumPy dtype of the elements."""
        return self._data.dtype

    ndimension, nelement = dim, numel

    @property
    def nbytes(self) -> int:
        """Bytes that the elements take."""
        return self._data.nbytes

    @property
    def itemsize(self) -> int:
        """Bytes that one element takes."""
        return self._data.itemsize

    def element_size(self) -> int:
        """Bytes that one element takes."""
        return self._data.itemsize

    def stride(self, dim: int | None = None) -> Any:
        """How many elements lie between neighbours in every dimension, or in one."""
        steps = tuple(step // self._data.itemsize for step in self._data.strides)
        return steps if dim is None else steps[dim]

    def data_ptr(self) -> int:
        """Address of the first element."""
        return int(self._data.__array_interface__["data"][0])

    def storage_offset(self) -> int:
        """How many elements lie in the memory before the first one of this tensor."""
        memory = owner(self._data).__array_interface__["data"][0]
        return (self.data_ptr() - int(memory)) // self._data.itemsize

    @property
    def T(self) -> Any:
        """All dimensions in reverse order, on the same memory."""
        return op.permute(self, tuple(range(self._data.ndim))[::-1])

    @property
    def mT(self) -> Any:
        """The last two dimensions exchanged, on the same memory."""
        return op.transpose(self, -2, -1)

    @property
    def H(self) -> Any:
        """Conjugate transpose of a matrix."""
        if self._data.ndim not in (0, 2):
            raise ShapeError(f"H: expected a matrix, got shape {self.shape}; see mH")
        return op.adjoint(self) if self._data.ndim else op.conj(self)

    @property
    def mH(self) -> Any:
        """The last two dimensions exchanged, and conjugated."""
        return op.adjoint(self)

    @property
    def real(self) -> Any:
        """The real parts; the tensor itself if it is real."""
        return op.real(self)

    @property
    def imag(self) -> Any:
        """The imaginary parts."""
        return op.imag(self)

    def is_complex(self) -> bool:
        """Whether the dtype is a complex one."""
        return self._data.dtype.kind == "c"

    def is_floating_point(self) -> bool:
        """Whether the dtype is a floating one."""
        return self._data.dtype.kind == "f"

    def is_signed(self) -> bool:
        """Whether the dtype has negative numbers."""
        return self._data.dtype.kind in "ifc"

    is_cpu, is_cuda, is_sparse, is_quantized = True, False, False, False

    def get_device(self) -> int:
        """-1, which is what torch says of the CPU."""
        return -1

    def cuda(self, *args: Any, **kwargs: Any) -> Any:
        """Not to be had.

        Raises:
            RangeError: Always.
        """
        raise RangeError("cuda: tensors live on the CPU; ask cuda.is_available() first")

    def is_contiguous(self) -> bool:
        """Whether the elements lie in memory in row-major order."""
        return self._data.flags.c_contiguous

    def __len__(self) -> int:
        if not self._data.ndim:
            raise ArgumentTypeError("len() of a 0-d tensor")
        return len(self._data)
