"""Values of the ops: PyTorch's, recorded in `torch_values.txt`, and cases of special interest."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jitorch as jt
import jitorch.nn.functional as F
from jitorch.errors import IndexOutOfRange, JitorchError, ShapeMismatch, TypeMismatch
from jitorch.ir.types import BY_TAG

HEAD, _, BODY = (Path(__file__).parent / "torch_values.txt").read_text().partition("\n\nx+y")
NAMES = HEAD.partition("\n\n")[2]
CASES = re.findall(r"^(\S.*)\n((?:    .*\n)+)", "x+y" + BODY, re.MULTILINE)
TOLERANCE = {"f16": 2e-3, "f32": 2e-5, "c64": 2e-5, "f64": 1e-6}


def names() -> dict[str, Any]:
    found: dict[str, Any] = {"T": jt, "F": F, "inf": jt.inf, "nan": jt.nan}
    exec(NAMES, found)
    return found


def same(x: Any, recorded: str) -> None:
    match = re.fullmatch(r"\s*(\w+) \[(.*?)\] ?(.*)", recorded)
    assert match is not None
    tag, shape, elements = match.groups()
    assert x.dtype is BY_TAG[tag]
    assert list(x.shape) == [int(n) for n in shape.split(", ") if n]
    kind = complex if x.dtype.is_complex else float if x.dtype.is_floating_point else int
    wanted = np.array([kind(v) for v in elements.split()], dtype=x.dtype.numpy)
    near = TOLERANCE.get(tag, 0)
    np.testing.assert_allclose(x.numpy().reshape(-1), wanted, rtol=near, atol=near / 10)


@pytest.mark.parametrize(("expression", "recorded"), CASES, ids=[c[0] for c in CASES])
def test_as_pytorch(expression: str, recorded: str) -> None:
    with np.errstate(all="ignore"):
        result = eval(expression, names())
    results = result if isinstance(result, (tuple, list)) else [result]
    lines = recorded.splitlines()
    assert len(results) == len(lines)
    for x, line in zip(results, lines, strict=True):
        same(x, line)


# What a kernel must get right as well.


def test_division_of_integers() -> None:
    smallest = jt.tensor([-(2**63), 7, -7])
    assert (smallest // -1).tolist() == [-(2**63), -7, 7]
    assert (smallest % -1).tolist() == [0, 0, 0]
    assert (smallest // 0).tolist() == [0, 0, 0]
    assert (smallest % 0).tolist() == [0, 0, 0]
    assert jt.fmod(smallest, jt.tensor(0)).tolist() == [0, 0, 0]
    assert jt.div(jt.tensor([-7, 7]), 2, rounding_mode="trunc").tolist() == [-3, 3]
    assert (jt.tensor([7, 9], dtype=jt.uint8) // 2).tolist() == [3, 4]
    assert (jt.tensor([-128], dtype=jt.int8) // -1).tolist() == [-128]


def test_integers_wrap_around() -> None:
    assert (jt.tensor([250], dtype=jt.uint8) + 10).item() == 4
    assert (-jt.tensor([3], dtype=jt.uint8)).item() == 253
    assert jt.tensor([-128], dtype=jt.int8).abs().item() == -128
    assert (jt.tensor([2**62]) * 4).item() == 0


def test_powers_of_integers() -> None:
    base, exponent = jt.tensor([0, 1, -1, -1, 2]), jt.tensor([-1, -1, -1, -2, -1])
    assert (base**exponent).tolist() == [0, 1, -1, 1, 0]
    assert (2 ** jt.tensor([3, -2])).tolist() == [8, 0]


def test_shifts_beyond_the_width() -> None:
    x = jt.tensor([3, -2])
    assert (x << 70).tolist() == [0, 0]
    assert (x >> 70).tolist() == [0, -1]
    assert (x << -1).tolist() == [0, 0]


def test_half_precision_accumulates_in_single() -> None:
    x = jt.full((4000,), 0.1, dtype=jt.float16)
    assert x.sum().item() == pytest.approx(400, abs=0.3)
    assert x.cumsum(0)[-1].item() == pytest.approx(400, abs=0.3)
    assert jt.full((100_000,), 2.0, dtype=jt.float16).mean().item() == 2
    assert jt.full((300,), 300.0, dtype=jt.float16).norm().item() == pytest.approx(5196, abs=2)
    assert (x.reshape(1, -1) @ x).item() == pytest.approx(40, abs=0.1)


def test_nan_and_zero_survive() -> None:
    x = jt.tensor([jt.nan, -0.0, 0.0])
    assert np.signbit(jt.maximum(x, jt.tensor(-1.0)).numpy()).tolist() == [False, True, False]
    assert jt.relu(x).isnan().tolist() == [True, False, False]
    assert jt.clamp(x, -1, 1).isnan().tolist() == [True, False, False]
    assert x.max().isnan().item()
    assert x.argmax().item() == 0


def test_empty_reductions() -> None:
    e = jt.zeros(0, 3)
    assert e.sum().item() == 0
    assert e.prod(0).tolist() == [1, 1, 1]
    assert e.all().item()
    assert not e.any().item()
    assert e.mean().isnan().item()
    assert e.amax(1).shape == (0,)
    assert e.logsumexp(0).tolist() == [-jt.inf] * 3
    assert e.softmax(0).shape == (0, 3)
    assert jt.tensor(2.0).softmax(0).item() == 1
    assert jt.tensor(2.0).log_softmax(0).item() == 0


def test_sorting_is_stable() -> None:
    x = jt.tensor([1, 0, 1, 0, 1])
    assert x.sort().indices.tolist() == [1, 3, 0, 2, 4]
    assert x.sort(descending=True).indices.tolist() == [0, 2, 4, 1, 3]


def test_results_with_names() -> None:
    x = jt.tensor([[3, 9], [7, 1]])
    assert x.max(1).values.tolist() == [9, 7]
    values, indices = x.min(0)
    assert (values.tolist(), indices.tolist()) == ([3, 1], [0, 1])
    assert x.aminmax().max.item() == 9


@pytest.mark.parametrize(
    "equation",
    [
        "ij,jk->ik",
        "ij,kj",
        "ijk->kij",
        "iij->j",
        "ij,j,k->ik",
        "...i,...i->...",
        "i...,i",
        "ijk,k->ij",
    ],
)
def test_einsum_as_numpy(equation: str) -> None:
    rng = np.random.default_rng(0)
    left = equation.partition("->")[0].split(",")
    ranks = [len(part.replace("...", "xy")) for part in left]
    arrays = [rng.standard_normal((3,) * rank) for rank in ranks]
    ours = jt.einsum(equation, *map(jt.tensor, arrays))
    np.testing.assert_allclose(ours.numpy(), np.einsum(equation, *arrays))


def test_einsum_broadcasts_ones() -> None:
    assert jt.einsum("ij,jk->ik", jt.ones(2, 1), jt.ones(3, 2)).tolist() == [[3, 3], [3, 3]]


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda: jt.ones(2) + jt.ones(3), ShapeMismatch, "The size of tensor a (2) must match"),
        (
            lambda: jt.ones(2, 3) @ jt.ones(2, 3),
            ShapeMismatch,
            "cannot be multiplied (2x3 and 2x3)",
        ),
        (
            lambda: jt.tensor(1.0) @ jt.ones(1),
            ShapeMismatch,
            "need to be at least 1D, but they are 0D",
        ),
        (lambda: jt.mm(jt.ones(2, 2), jt.ones(2)), ShapeMismatch, "mat2 must be a matrix"),
        (lambda: jt.bmm(jt.ones(2, 2), jt.ones(2)), ShapeMismatch, "batch1 must be a 3D tensor"),
        (lambda: jt.dot(jt.ones(2), jt.ones(3)), ShapeMismatch, "inconsistent tensor size"),
        (
            lambda: jt.ones(2, 3).sum(2),
            IndexOutOfRange,
            "Dimension out of range (expected to be in",
        ),
        (lambda: jt.ones(2, 3).sum((0, 0)), ShapeMismatch, "dim 0 appears multiple times"),
        (lambda: jt.zeros(0).amax(), IndexOutOfRange, "amax(): Expected reduction dim to be"),
        (
            lambda: jt.zeros(0, 3).amax(0),
            IndexOutOfRange,
            "Expected reduction dim 0 to have non-zero",
        ),
        (lambda: jt.ones(3).topk(4), IndexOutOfRange, "selected index k out of range"),
        (lambda: jt.ones(3).kthvalue(0), IndexOutOfRange, "out of range for dimension 0"),
        (
            lambda: jt.ones(2, 3).reshape(4),
            ShapeMismatch,
            "shape '[4]' is invalid for input of size 6",
        ),
        (
            lambda: jt.ones(2, 3).reshape(-1, -1),
            ShapeMismatch,
            "only one dimension can be inferred",
        ),
        (lambda: jt.ones(2, 3).permute(0, 0), ShapeMismatch, "duplicate dims are not allowed"),
        (
            lambda: jt.ones(2, 3).permute(0),
            ShapeMismatch,
            "does not match the length of the desired",
        ),
        (lambda: jt.ones(2, 3).expand(3, 3), ShapeMismatch, "The expanded size of the tensor (3)"),
        (lambda: jt.ones(2, 3).expand(3), ShapeMismatch, "must be greater or equal to"),
        (lambda: jt.ones(3).narrow(0, 2, 5), IndexOutOfRange, "exceeds dimension size (3)"),
        (lambda: jt.ones(3).split([1, 1]), ShapeMismatch, "sum exactly to 3"),
        (lambda: jt.ones(3).split(0), ShapeMismatch, "split_size be positive"),
        (lambda: jt.ones(3).chunk(0), ShapeMismatch, "to be greater than 0"),
        (lambda: jt.cat([]), ShapeMismatch, "expected a non-empty list"),
        (lambda: jt.cat([jt.ones(2), jt.ones(2, 2)]), ShapeMismatch, "same number of dimensions"),
        (
            lambda: jt.cat([jt.ones(2, 3), jt.ones(2, 2)]),
            ShapeMismatch,
            "Expected size 3 but got size 2",
        ),
        (lambda: jt.stack([jt.ones(2), jt.ones(3)]), ShapeMismatch, "got [2] at entry 0 and [3]"),
        (lambda: jt.ones(3).repeat(), ShapeMismatch, "Number of dimensions of repeat dims"),
        (lambda: jt.ones(3).tril(), ShapeMismatch, "must have at least 2 dimensions"),
        (lambda: jt.ones(3, 3).diagonal(0, 1, 1), ShapeMismatch, "cannot be identical"),
        (lambda: jt.ones(3).flatten(1, 0), IndexOutOfRange, "Dimension out of range"),
        (lambda: jt.einsum("ij->k", jt.ones(2, 2)), ShapeMismatch, "output subscript k"),
        (lambda: jt.einsum("ij,jk", jt.ones(2, 2)), ShapeMismatch, "names 2 operands, but 1"),
        (lambda: jt.einsum("i", jt.ones(2, 2)), ShapeMismatch, "does not match the number of"),
        (lambda: jt.einsum("i,i", jt.ones(2), jt.ones(3)), ShapeMismatch, "does not broadcast"),
        (lambda: F.mse_loss(jt.ones(2), jt.ones(2), "x"), TypeMismatch, "x is not a valid value"),
        (
            lambda: F.cross_entropy(jt.ones(2, 3), jt.tensor([0, 5])),
            IndexOutOfRange,
            "index 5 is out of bounds",
        ),
        (
            lambda: F.nll_loss(jt.ones(2, 3), jt.tensor([0])),
            ShapeMismatch,
            "Expected input batch_size (2) to match target batch_size (1)",
        ),
        (
            lambda: F.nll_loss(jt.ones(2, 3, 4), jt.zeros(2, 3, dtype=jt.int64)),
            ShapeMismatch,
            "Expected target size [2, 4]",
        ),
        (lambda: F.layer_norm(jt.ones(2, 3), (2,)), ShapeMismatch, "Given normalized_shape=[2]"),
        (
            lambda: F.binary_cross_entropy(jt.ones(2), jt.ones(3)),
            ShapeMismatch,
            "Using a target size ([3]) that is different",
        ),
        (lambda: F.gelu(jt.ones(2), "fast"), TypeMismatch, "must be either none or tanh"),
        (lambda: jt.bincount(jt.tensor([-1])), ShapeMismatch, "1-d non-negative"),
    ],
)
def test_refusals(act: Callable[[], Any], error: type[JitorchError], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        act()
