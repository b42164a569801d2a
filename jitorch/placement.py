"""Where a tensor's elements are: moving them, and handing them to NumPy and to other libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jitorch import ops
from jitorch.arrays import Array
from jitorch.cuda import adapter
from jitorch.device import CPU, device as Device
from jitorch.dispatch import apply
from jitorch.errors import TypeMismatch
from jitorch.inplace import InPlace
from jitorch.ir.opdef import OPS
from jitorch.ir.types import DType, known_dtype


class Placed(InPlace):
    """The methods of Tensor that are about devices."""

    if TYPE_CHECKING:

        @property
        def dtype(self) -> DType: ...

    @property
    def device(self) -> Device:
        return CPU if isinstance(self._data, np.ndarray) else adapter.device_of(self._data)

    @property
    def is_cuda(self) -> bool:
        """Whether the tensor is in the memory of a GPU."""
        return self.device.type == "cuda"

    def get_device(self) -> int:
        """Return the number of the GPU that the tensor is on, -1 for main memory."""
        index = self.device.index
        return -1 if index is None else index

    # To another device or dtype.

    def to(
        self,
        *args: Any,
        dtype: DType | None = None,
        device: object = None,
        non_blocking: bool = False,
        copy: bool = False,
    ) -> Any:
        """Return the tensor with another dtype, on another device, or as another tensor is.

        Itself if it has both already. A dtype, a device and a tensor may be given by place.
        """
        for a in args:
            if isinstance(a, (DType, type)):
                dtype = known_dtype(a)
            elif isinstance(a, Placed):
                dtype, device = a.dtype, a.device
            elif isinstance(a, (str, Device, int)) and not isinstance(a, bool):
                device = a
            elif a is not None and not isinstance(a, bool):
                raise TypeMismatch(f"to() received an invalid argument: {a!r}")
        if device is not None:
            place = ops.create.placed(device).get("device", "cpu")
            if place != str(self.device):
                return apply(OPS["transfer"], self, device=place).to(dtype=dtype)
        if dtype is None or dtype is self.dtype:
            return apply(OPS["copy"], self) if copy else self
        return apply(OPS["cast"], self, dtype=dtype)

    def cpu(self) -> Any:
        """Return the tensor in main memory; itself if it is there."""
        return self.to(device=CPU)

    def cuda(self, device: object = None, non_blocking: bool = False) -> Any:
        """Return the tensor on a GPU, by default the current one; itself if it is there.

        Raises CudaError, with what to do, where CUDA can't be used.
        """
        place = Device("cuda" if device is None else device)  # type: ignore[arg-type]
        if place.type != "cuda":
            raise TypeMismatch(f"Invalid device, must be cuda device: {place}")
        return self.to(device=place)

    # To other libraries.

    def numpy(self, *, force: bool = False) -> Array:
        """Return the array behind the tensor; they share memory.

        A tensor on a GPU has none: raises TypeMismatch, or returns a copy with `force=True`.
        """
        if isinstance(self._data, np.ndarray):
            return self._data
        if not force:
            raise TypeMismatch(
                f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() to "
                "copy the tensor to host memory first."
            )
        return self._host()

    def _host(self) -> Array:
        """Return the elements in main memory: the array itself, or a copy of that on a GPU."""
        data = self._data
        return data if isinstance(data, np.ndarray) else adapter.to_host(data)

    @property
    def __cuda_array_interface__(self) -> Any:
        """What other libraries need to share the memory of a tensor on a GPU."""
        if not self.is_cuda:
            raise AttributeError(
                f"Can't get __cuda_array_interface__ on non-CUDA tensor type: {self.type()} If CUDA "
                "data is required use tensor.cuda() to copy tensor to device memory."
            )
        data: Any = self._data
        return data.__cuda_array_interface__

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self._data.__dlpack__(**kwargs)

    def __dlpack_device__(self) -> tuple[int, int]:
        kind, index = self._data.__dlpack_device__()
        return int(kind), int(index)
