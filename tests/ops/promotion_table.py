"""dtypes of PyTorch 2.13: `torch.result_type` of two operands, for every pair."""

from __future__ import annotations

# A row for each dtype of the left operand, a column for each of the right, in the order of ORDER.
ORDER = "bool u8 i8 i16 i32 i64 f16 f32 f64 c64 c128"

# Two tensors with dimensions.
TENSORS = """
bool u8   i8   i16  i32  i64  f16  f32  f64  c64  c128
u8   u8   i16  i16  i32  i64  f16  f32  f64  c64  c128
i8   i16  i8   i16  i32  i64  f16  f32  f64  c64  c128
i16  i16  i16  i16  i32  i64  f16  f32  f64  c64  c128
i32  i32  i32  i32  i32  i64  f16  f32  f64  c64  c128
i64  i64  i64  i64  i64  i64  f16  f32  f64  c64  c128
f16  f16  f16  f16  f16  f16  f16  f32  f64  c64  c128
f32  f32  f32  f32  f32  f32  f32  f32  f64  c64  c128
f64  f64  f64  f64  f64  f64  f64  f64  f64  c128 c128
c64  c64  c64  c64  c64  c64  c64  c64  c128 c64  c128
c128 c128 c128 c128 c128 c128 c128 c128 c128 c128 c128
"""

# A tensor with dimensions and a 0-d one.
ZERO_DIM = """
bool u8   i8   i16  i32  i64  f16  f32  f64  c64  c128
u8   u8   u8   u8   u8   u8   f16  f32  f64  c64  c128
i8   i8   i8   i8   i8   i8   f16  f32  f64  c64  c128
i16  i16  i16  i16  i16  i16  f16  f32  f64  c64  c128
i32  i32  i32  i32  i32  i32  f16  f32  f64  c64  c128
i64  i64  i64  i64  i64  i64  f16  f32  f64  c64  c128
f16  f16  f16  f16  f16  f16  f16  f16  f16  c32  c32
f32  f32  f32  f32  f32  f32  f32  f32  f32  c64  c64
f64  f64  f64  f64  f64  f64  f64  f64  f64  c128 c128
c64  c64  c64  c64  c64  c64  c64  c64  c64  c64  c64
c128 c128 c128 c128 c128 c128 c128 c128 c128 c128 c128
"""

# A tensor and a Python number: True, 2, 2.5, 2j.
NUMBERS = """
bool i64  f32  c64
u8   u8   f32  c64
i8   i8   f32  c64
i16  i16  f32  c64
i32  i32  f32  c64
i64  i64  f32  c64
f16  f16  f16  c32
f32  f32  f32  c64
f64  f64  f64  c128
c64  c64  c64  c64
c128 c128 c128 c128
"""

# A 0-d tensor and a Python number: True, 2, 2.5, 2j.
ZERO_DIM_NUMBERS = """
bool i64  f32  c64
u8   u8   f32  c64
i8   i8   f32  c64
i16  i16  f32  c64
i32  i32  f32  c64
i64  i64  f32  c64
f16  f16  f16  c32
f32  f32  f32  c64
f64  f64  f64  c128
c64  c64  c64  c64
c128 c128 c128 c128
"""
