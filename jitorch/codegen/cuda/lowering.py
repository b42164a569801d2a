"""CUDA kernel source to an LLVM module, in one walk over its syntax tree: `codegen/nest` with more.

What GPUs have is emitted by `device`. The functions of `primitives` are Python source too: the walk
goes through their bodies where they are called, with the types that the operands have there, so that
nothing is left to be called or inlined. Nothing here knows NVVM: the module could as well be
compiled for a CPU that has the same functions, and tests do.
"""

from __future__ import annotations

import ast
import functools
import inspect
import math
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from typing import Any, ClassVar

from llvmlite import ir

from jitorch.codegen.cuda import device, primitives
from jitorch.codegen.cuda.text import MEMORY
from jitorch.codegen.nest import Nest, assignments, function_in
from jitorch.codegen.nest.expressions import Typed
from jitorch.codegen.nest.operators import BINARY, common
from jitorch.codegen.numba_api import errors, types

_NUMBERS = {"int": types.int64, "float": types.float64}
_MEMORY = {tag: device.numpy_type(name.removeprefix("np.")) for tag, name in MEMORY.items()}
_TAGS = {kind: tag for tag, kind in _MEMORY.items() if tag != "bool"} | {types.boolean: "bool"}
_NAMES = {"INF": math.inf, "NAN": math.nan, "ALL_LANES": primitives.ALL_LANES}


def kernel_module(source: str, entry: str, parameters: Sequence[tuple[str, bool]]) -> Any:
    """Return the LLVM module of one entry of kernel source, which is its only function.

    `parameters` has for each argument its dtype or kind ("int", "float") and whether it is a pointer.
    Raises Numba's TypingError, with the line, for source that has no meaning as a kernel.
    """
    kinds = [
        device.Elements(_MEMORY[tag]) if pointer else _NUMBERS[tag] for tag, pointer in parameters
    ]
    module = ir.Module(entry)
    ftype = ir.FunctionType(ir.VoidType(), [_parameter(kind) for kind in kinds])
    function = ir.Function(module, ftype, entry)
    _Kernel.fill(function, kinds, function_in(source, entry, f"<jitorch {entry}>"), _NAMES)
    return module


def _parameter(kind: Any) -> Any:
    if isinstance(kind, device.Elements):
        return device.llvm_type(kind.element).as_pointer()
    return device.llvm_type(kind)


class _Kernel(Nest):
    """Emits a kernel, or at the place of a call the body of a function of `primitives`."""

    operators: ClassVar = {**BINARY, ast.LShift: device.shift_left, ast.RShift: device.shift_right}

    def __init__(
        self, entry: Any, builder: Any, namespace: Mapping[str, Any], assigned: Counter[str]
    ) -> None:
        super().__init__(entry, builder, namespace, assigned)
        self.after: Any = None  # where a function's returns go
        self.returned: list[tuple[Typed, Any]] = []

    def statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Assign(targets=[ast.Subscript(value=array, slice=at)], value=value):
                found = self.value(value)
                device.store(self.builder, self.value(array), self.index(at), found)
            case ast.Return(value=ast.expr() as value) if self.after is not None:
                self.returned.append((self.value(value), self.builder.block))
                self.builder.branch(self.after)
            case _:
                super().statement(node)

    def value(self, node: ast.expr) -> Typed:
        match node:
            case ast.Subscript(value=array, slice=at):
                return device.load(self.builder, self.value(array), self.index(at))
            case ast.Attribute(
                value=ast.Attribute(value=ast.Name(id="cuda"), attr=what), attr=axis
            ):
                return device.place(self.builder, what, axis)
            case ast.Call(
                func=ast.Attribute(
                    value=ast.Attribute(value=ast.Name(id="cuda"), attr=space), attr="array"
                ),
                args=[ast.Constant(value=int() as count), ast.Attribute(attr=kind)],
            ):
                return self.array(space, count, device.numpy_type(kind))
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=module), attr=name), args=args, keywords=[]
            ):
                return self.of_module(module, name, [self.value(each) for each in args])
            case _:
                return super().value(node)

    def array(self, space: str, count: int, kind: Any) -> Typed:
        if space == "shared":
            return device.shared_array(self.builder, count, kind)
        return device.local_array(self.entry, self.builder, count, kind)

    # Calls.

    def of_module(self, module: str, name: str, args: Sequence[Typed]) -> Typed:
        if module == "np":
            (x,) = args
            kind = device.numpy_type(name)
            return Typed(kind, device.cast(self.builder, x, kind))
        if module == "math":
            return device.libdevice(self.builder, name, args)
        return self.operation(f"{module}.{name}", args)

    def call(self, name: str, args: Sequence[Typed]) -> Typed:
        if name in primitives.MATH:
            return device.libdevice(self.builder, primitives.MATH[name], args)
        if name in primitives.TABLE:
            return self.primitive(name, args)
        return self.operation(name, args)

    def operation(self, name: str, args: Sequence[Typed]) -> Typed:
        if name not in device.OPERATIONS:
            raise errors.TypingError(f"'{name}' is not defined as an operation")
        return device.OPERATIONS[name](self.builder, *args)

    def primitive(self, name: str, args: Sequence[Typed]) -> Typed:
        """Emit the body of a function of the table, which one by the type of its first operand."""
        tag = _TAGS.get(types.unliteral(args[0].type), "i64")
        kind = {"f": "float", "b": "bool"}.get(tag[0], "int")
        tree, assigned = _function(primitives.variant(name, tag, kind).__name__)
        inner = type(self)(self.entry, self.builder, self.namespace, assigned)
        for argument, x in zip(tree.args.args, args, strict=True):
            inner.bind(argument.arg, Typed(types.unliteral(x.type), x.value))
        match tree.body:
            case [ast.Return(value=ast.expr() as only)]:
                return inner.value(only)
        (inner.after,) = self.blocks(1)
        inner.block(tree.body)
        if not self.builder.block.is_terminated:
            raise errors.TypingError(f"'{name}' does not always return")
        return inner.joined(inner.after, inner.returned)

    # Types.

    def converted(self, x: Typed, kind: Any) -> Any:
        return device.cast(self.builder, x, kind)

    def negative(self, x: Typed) -> Typed:
        if isinstance(x.type, types.Float):
            return device.negative(self.builder, x)
        return super().negative(x)

    def shared_type(self, kinds: Set[Any]) -> Any:
        if len(kinds) == 1:
            return super().shared_type(kinds)
        return functools.reduce(common, kinds)


@functools.cache
def _function(name: str) -> tuple[ast.FunctionDef, Counter[str]]:
    """Return a function of `primitives`, and its assignments."""
    tree = _functions()[name]
    return tree, assignments(tree)


@functools.cache
def _functions() -> Mapping[str, ast.FunctionDef]:
    """Return the functions of `primitives` without what they say of themselves."""
    tree = ast.parse(inspect.getsource(primitives))
    found = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    for node in found.values():
        if ast.get_docstring(node) is not None:
            del node.body[0]
    return found
