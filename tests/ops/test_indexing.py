"""`x[...]` and `x[...] = v`: NumPy's results where the two agree, PyTorch's where not."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import jitorch as jt
from jitorch.errors import JitorchError

KEYS = [
    "0", "-1", "1:", "::2", "-2:", "5:9", "2:1", "...", "None", "0, 1", "0, ..., -1", ":, None, 1",
    "..., None", "1, :, ::2", "[0, 1]", "[[0, 1], [1, 0]]", "[True, False]", "[]",
    "I([0, 1]), I([2, 0])", ":, I([0, 2, 2])", "I([[0], [1]]), I([0, 2])", "I(1)",
    "I([0, 1]), :, I([1, 3])", ":, I([0, 2]), I([1, 3])", "..., I([3, 0])", "0, I([0, 1])",
    "B", "B2", "0, B2[0]", ":, I([True, False, True])", "np.int64(1), 2", "I([-1])", "range(2)",
    "1:, I([0, -1])", "None, I([0, 1]), None", "I(np.zeros((0,), int))",
]  # fmt: skip


def names(wrap: Any) -> dict[str, Any]:
    """Return what the keys are written with: `I` makes an index, `B` and `B2` are masks."""
    data = np.arange(24.0).reshape(2, 3, 4)
    return {
        "I": lambda v: wrap(np.asarray(v)),
        "B": wrap(data % 3 == 0),
        "B2": wrap(data[:, :, 0] > 3),
        "np": np,
    }


def key(text: str, wrap: Any) -> Any:
    return eval(f"S[{text}]", {"S": np.index_exp, **names(wrap)})


@pytest.mark.parametrize("text", KEYS)
def test_reading(text: str) -> None:
    data = np.arange(24.0).reshape(2, 3, 4)
    wanted = data[key(text, np.asarray)]
    for x in (jt.tensor(data), jt.tensor(data.transpose(2, 0, 1).copy()).permute(1, 2, 0)):
        got = x[key(text, jt.tensor)]
        assert got.shape == wanted.shape
        np.testing.assert_array_equal(got.numpy(), wanted)


@pytest.mark.parametrize("text", KEYS)
def test_writing(text: str) -> None:
    wanted = np.arange(24.0).reshape(2, 3, 4)
    x = jt.tensor(wanted)
    alias = x.reshape(-1)
    value = -1 - np.arange(wanted[key(text, np.asarray)].size, dtype=np.float64)
    value = value.reshape(wanted[key(text, np.asarray)].shape)
    wanted[key(text, np.asarray)] = value
    x[key(text, jt.tensor)] = jt.tensor(value)
    np.testing.assert_array_equal(x.numpy(), wanted)
    x[key(text, jt.tensor)] = 7
    wanted[key(text, np.asarray)] = 7
    np.testing.assert_array_equal(x.numpy(), wanted)
    np.testing.assert_array_equal(alias.numpy(), wanted.reshape(-1))


def test_views_and_copies() -> None:
    x = jt.arange(6).reshape(2, 3)
    for view in (x[0], x[:, 1:], x[None], x[..., ::2], x[:]):
        assert np.shares_memory(view.numpy(), x.numpy())
    for copy in (x[[0]], x[x > 0], x[jt.tensor(0)]):
        assert not np.shares_memory(copy.numpy(), x.numpy())


def test_where_pytorch_differs_from_numpy() -> None:
    x = jt.arange(24).reshape(2, 3, 4)
    # An integer is a view first, so it does not count among the index tensors.
    assert x[0, :, jt.tensor([0, 2])].shape == (3, 2)
    assert x[True].shape == (1, 2, 3, 4)
    assert x[False].shape == (0, 2, 3, 4)
    assert x[..., ...].shape == (2, 3, 4)
    assert x[jt.tensor(0) : jt.tensor(1)].shape == (1, 3, 4)


def test_writing_converts_and_broadcasts() -> None:
    x = jt.zeros(2, 3, dtype=jt.int64)
    x[0] = jt.tensor([1.9, -1.9, 3.0])
    x[1] = [4, 5, 6]
    x[:, 0] = np.array([7, 8])
    x[1, 2] = True
    assert x.tolist() == [[7, -1, 3], [8, 5, 1]]
    x[0] = jt.ones(1, 3, dtype=jt.int64)  # leading sizes of 1 do not count
    x[x > 5] = 0
    assert x.tolist() == [[1, 1, 1], [0, 5, 1]]
    x[0] += 2
    x[:, 1] *= 10
    assert x.tolist() == [[3, 30, 3], [0, 50, 1]]


@pytest.mark.parametrize(
    ("action", "error", "message"),
    [
        ("x[2]", IndexError, "index 2 is out of bounds for dimension 0 with size 2"),
        ("x[0, 0, 0]", IndexError, "too many indices for tensor of dimension 2"),
        ("x[1.5]", IndexError, "only integers, slices (`:`), ellipsis (`...`), None and long"),
        ("x['a']", IndexError, "(got str)"),
        ("x[::-1]", ValueError, "step must be greater than zero"),
        ("x['a':]", TypeError, "slice indices must be integers"),
        (
            "x[:, jt.tensor([5])]",
            IndexError,
            "index 5 is out of bounds for dimension 1 with size 3",
        ),
        ("x[jt.tensor([True, False, True])]", IndexError, "The shape of the mask [3] at index 0"),
        ("x[jt.tensor([1.0])]", IndexError, "tensors used as indices must be long, int"),
        (
            "x[[0, 1], [0, 1, 2]]",
            IndexError,
            "could not be broadcast together with shapes [2], [3]",
        ),
        ("x[0, 0][0]", IndexError, "invalid index of a 0-dim tensor"),
        ("x.select(0, 3)", IndexError, "index 3 is out of bounds"),
        ("x.gather(0, jt.tensor([[5]]))", IndexError, "index 5 is out of bounds for dimension 0"),
        ("x.gather(0, jt.tensor([0.0]))", TypeError, "Expected dtype int32/int64 for index"),
        ("x.gather(0, jt.tensor([0]))", ValueError, "must have the same number of dimensions"),
        ("x.scatter(0, jt.tensor([[5]]), 1.0)", IndexError, "index 5 is out of bounds"),
        ("x.index_select(0, jt.tensor([[0]]))", IndexError, "Index is supposed to be a vector"),
        ("x.__setitem__(0, jt.ones(2))", ValueError, "must match the size of tensor"),
        (
            "x.__setitem__(jt.tensor([0]), jt.ones(2))",
            ValueError,
            "cannot be broadcast to indexing",
        ),
        ("x.__setitem__(jt.tensor([4]), 1)", IndexError, "index 4 is out of bounds"),
        ("x.masked_fill(x > 0, x)", ValueError, "only supports a 0-dimensional value tensor"),
    ],
)
def test_refusals(action: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)) as caught:
        eval(action, {"jt": jt, "x": jt.ones(2, 3)})
    assert isinstance(caught.value, JitorchError)


def test_steps_backwards_are_numpys_only() -> None:
    with pytest.raises(ValueError, match="step must be greater than zero"):
        jt.arange(3)[::-1]
