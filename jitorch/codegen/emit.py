"""How operations of generated kernels are defined: functions that emit LLVM instructions.

`intrinsic` is used like `numba.extending.intrinsic`:

    @intrinsic
    def twice(typingctx, x):
        def emit(context, builder, sig, values):
            return builder.add(values[0], values[0])
        return x(x), emit

Numba's own keeps each definition in a global registry, for every context and argument type it has
seen, and consults its array library about each call. These are typed and emitted on the spot, by
the kernel compiler of `lowering` only. Literal arguments arrive as literal types.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

from llvmlite import ir

from jitorch.codegen.numba_api import errors, extending, models, types

I1, I8, I32, I64 = (ir.IntType(width) for width in (1, 8, 32, 64))
HALF, F32, F64 = ir.HalfType(), ir.FloatType(), ir.DoubleType()
BYTES = I8.as_pointer()
ENTRY = ir.FunctionType(ir.VoidType(), [I64, I64, I64])  # of a kernel: args, lo, hi

Define = Callable[..., Any]
Emit = Callable[[Any, Any, Any, Any], Any]  # (context, builder, signature, values) -> value
_numbers = itertools.count()


class Intrinsic:
    """An operation known to the kernel compiler."""

    def __init__(self, define: Define, *, literal: bool = True) -> None:
        self.define = define
        self.literal = literal
        self.found: dict[tuple[Any, ...], tuple[Any, Emit]] = {}
        self._numba_type_ = IntrinsicType(self)
        functools.update_wrapper(self, define)

    def typed(self, args: tuple[Any, ...]) -> tuple[Any, Emit]:
        """The signature for arguments of these types, and what emits the call.

        Raises Numba's TypingError for types that the operation does not take.
        """
        if args not in self.found:
            given = args if self.literal else tuple(types.unliteral(each) for each in args)
            found = self.define(None, *given)
            if found is None:
                raise errors.TypingError(f"{self} does not take {args}")
            self.found[args] = found
        return self.found[args]

    def __call__(self, *args: object) -> Any:
        raise TypeError(f"{self} is for compiled kernels only")

    def __repr__(self) -> str:
        return f"<intrinsic {getattr(self.define, '__name__', '?')}>"


def intrinsic(define: Define) -> Any:
    """Make an operation of `define(typingctx, *types) -> (signature, emit)`."""
    return Intrinsic(define)


class IntrinsicType(types.Callable):  # type: ignore[misc]  # numba is untyped
    """Numba's type of one intrinsic."""

    def __init__(self, owner: Intrinsic) -> None:
        self.owner = owner
        super().__init__(name=f"{owner}#{next(_numbers)}")

    def get_call_type(self, context: Any, args: Any, kws: Any) -> Any:
        return self.owner.typed(tuple(args))[0]

    def get_call_signatures(self) -> tuple[list[Any], bool]:
        return [], False

    def get_impl_key(self, sig: Any) -> Any:
        return self

    def emitter(self, context: Any, sig: Any) -> Callable[..., Any]:
        """The function that emits a call of signature `sig`."""
        _, emit = self.owner.typed(tuple(sig.args))

        def call(builder: Any, values: Any, loc: Any = None) -> Any:
            return emit(context, builder, sig, values)

        return call


extending.register_model(IntrinsicType)(models.OpaqueModel)


def call_llvm(
    builder: Any, name: str, result: Any, operands: list[Any], flags: tuple[str, ...] = ()
) -> Any:
    """Call LLVM's own function `name`, written with its type suffix."""
    ftype = ir.FunctionType(result, [operand.type for operand in operands])
    function = builder.module.globals.get(name) or ir.Function(builder.module, ftype, name)
    return builder.call(function, operands, fastmath=flags)
