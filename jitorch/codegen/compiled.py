"""A compiled kernel in all its forms, and how much work a launch of it is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from jitorch.codegen import launch, native, numba_cpu
from jitorch.codegen.kernel import Input, Kernel, Layout, Load, Output, Statement, Store
from jitorch.codegen.llvm import assembly
from jitorch.codegen.native import NativeFunction
from jitorch.codegen.schedule import schedule
from jitorch.codegen.strides import NO_PARTS, Strides
from jitorch.ir.core import Op, Value
from jitorch.ir.dims import Dim, floordiv, product
from jitorch.passes.cost import work
from jitorch.passes.domain import analyse

# A thread is given at least this much work, in nanoseconds: several times what a launch costs.
_CHUNK_NS = 20_000


@dataclass(frozen=True)
class Extent:
    """The range of a launch.

    count   how many units: elements, outer points, or blocks of a split kernel
    inner   how many elements a unit has
    chunk   how many elements a thread should have at least
    """

    count: Dim
    inner: Dim
    chunk: int

    def grain(self, size: Callable[[Dim], str]) -> str:
        """Return the text of the least number of units a thread gets; `size` writes sizes."""
        if isinstance(self.inner, int):
            return str(self.chunk // max(self.inner, 1) + 1)
        return f"{self.chunk} // ({size(self.inner)} + 1) + 1"


@dataclass(frozen=True)
class CompiledKernel:
    """A kernel as description, source and native function."""

    name: str
    kernel: Kernel
    source: str
    function: NativeFunction

    @property
    def llvm(self) -> str:
        """The optimised LLVM text."""
        return self.function.code.llvm

    @property
    def asm(self) -> str:
        """The assembly text."""
        return assembly(self.function.code)

    def extent(self, op: Op) -> Extent:
        """Return the range of a launch for `op`, a fused op that this is the kernel of."""
        ops = op.blocks[0].ops
        domain = analyse(ops)
        outer, inner = (
            product(tuple(domain.sizes[a] for a in sorted(axes)))
            for axes in (domain.outer, domain.reduced)
        )
        kernel = self.kernel
        chunk = max(int(_CHUNK_NS / work(ops)), 1)
        match kernel.layout:
            case Layout.FLAT | Layout.TILES:
                return Extent(outer, 1, chunk)
            case Layout.BLOCKS:
                (*others, high), (wide,) = (
                    [kernel.extent(a) for a in axes] for axes in (kernel.outer, kernel.inner)
                )
                block = numba_cpu.SQUARE
                rows = floordiv(high + (block - 1), block)
                return Extent(product((*others, rows)), wide * block, chunk)
            case Layout.ROWS | Layout.COLUMNS | Layout.SHORT:
                return Extent(outer, inner, chunk)
            case Layout.BANDS:
                block = numba_cpu.FOLD_BLOCK
                return Extent(floordiv(inner + (block - 1), block), outer * block, chunk)
            case Layout.SPLIT:
                block = numba_cpu.SPLIT_BLOCK
                return Extent(floordiv(inner + (block - 1), block), block, chunk)


NOTHING: Mapping[Value, Value] = MappingProxyType({})


def sharing(kernel: Kernel, op: Op, reuse: Mapping[Value, Value]) -> dict[str, str]:
    """Return the operand's pointer for the pointer of each result that takes its memory."""
    names = {slot.source: slot.name for slot in kernel.slots if slot.pointer}
    out: dict[str, str] = {}
    for k, v in enumerate(op.outputs):
        old = reuse.get(v)
        if old is not None:
            mine, other = names[Output(k)], names[Input(op.inputs.index(old))]
            if reads_before_writing(kernel, other, mine):
                out[mine] = other
    return out


def reads_before_writing(kernel: Kernel, read: str, written: str) -> bool:
    """Whether each element of `read` is last loaded before its place in `written` is stored."""
    stores = [
        (n, (s.index, ()))
        for n, s in _statements(kernel)
        if isinstance(s, Store) and s.pointer == written
    ]
    loads = [
        (n, (s.index, s.picked))
        for n, s in _statements(kernel)
        if isinstance(s, Load) and s.pointer == read
    ]
    same = {index for _, index in (*stores, *loads)}
    return len(same) == 1 and max(n for n, _ in loads) <= min(n for n, _ in stores)


def walked(kernel: Kernel) -> set[int]:
    """Return the numbers of the operands that the loops walk through, not only pick from."""
    pointers = {s.pointer for _, s in _statements(kernel) if isinstance(s, Load) and not s.picked}
    return {
        slot.source.index
        for slot in kernel.slots
        if isinstance(slot.source, Input) and slot.name in pointers
    }


def _statements(kernel: Kernel) -> Iterator[tuple[int, Statement]]:
    """Yield the statements with the number of the pass, -1 for those before all passes."""
    for s in (*kernel.once, *kernel.row):
        yield -1, s
    for number, each in enumerate(kernel.passes):
        for s in each.body:
            yield 2 * number, s
        for s in each.after:
            yield 2 * number + 1, s


class Kernels:
    """The kernels of one executable, each text compiled once."""

    def __init__(self, fastmath: frozenset[str]) -> None:
        self.fastmath = fastmath
        self.by_name: dict[str, CompiledKernel] = {}
        self.written: dict[Op, tuple[Kernel, str, str]] = {}
        self.made: dict[Value, Op] = {}  # what the values of the graph at hand are made by

    def compile(
        self,
        op: Op,
        reuse: Mapping[Value, Value] = NOTHING,
        strides: Mapping[Value, Strides] = NO_PARTS,
    ) -> CompiledKernel:
        """Return the kernel of a `fused` op, compiled now if it is in no cache.

        `reuse` has results that may take the memory of an operand; `sharing` tells which of them
        do. `strides` has results that are parts of other tensors.
        """
        known = op in self.written
        kernel, name, source = self.written.pop(op) if known else self.write(op, reuse, strides)
        if name not in self.by_name:
            (function,) = native.cached([self.job(kernel, name, source)])
            self.by_name[name] = CompiledKernel(name, kernel, source, function)
        # Kernels of one text may be for other sizes: the description is the op's own.
        return replace(self.by_name[name], kernel=kernel)

    def compile_all(self, ops: Sequence[Op], reuse: Mapping[Value, Value]) -> None:
        """Compile the kernels of several ops, with what launches them; sooner than one by one."""
        self.written = {op: self.write(op, reuse) for op in ops}  # `compile` comes for them
        written = {name: (kernel, source) for kernel, name, source in self.written.values()}
        jobs = [self.job(kernel, name, source) for name, (kernel, source) in written.items()]
        functions = native.cached([*launch.jobs(), *jobs])[-len(jobs) :] if jobs else []
        for (name, (kernel, source)), function in zip(written.items(), functions, strict=True):
            self.by_name[name] = CompiledKernel(name, kernel, source, function)

    def write(
        self,
        op: Op,
        reuse: Mapping[Value, Value],
        strides: Mapping[Value, Strides] = NO_PARTS,
    ) -> tuple[Kernel, str, str]:
        """Return the kernel of a `fused` op, its name and its source."""
        kernel = schedule(op, self.made, strides)
        return kernel, *numba_cpu.source(kernel, sharing(kernel, op, reuse))

    def job(self, kernel: Kernel, name: str, source: str) -> native.Job:
        # What a later pass computes again has to be the same number, as argmax finds the maximum by
        # it; LLVM contracts a product and a sum or not by what else uses the product.
        apart = {"contract"} if len(kernel.passes) > 1 else set()
        return native.source_job(source, name, _namespace, fastmath=self.fastmath - apart)

    def compile_driver(self, source: str) -> NativeFunction:
        """Return the native function of a driver's source, whose name is put in."""
        name = f"driver_{hashlib.sha256(source.encode()).hexdigest()[:12]}"
        return native.compile_kernel(
            source.replace("def driver(", f"def {name}(", 1),
            name,
            _namespace,
            fastmath=self.fastmath,
        )


def _namespace() -> dict[str, object]:
    from jitorch.codegen.namespace import namespace

    return dict(namespace())
