"""Random numbers: the generator's published vectors, distributions, and repeatable sequences."""

from __future__ import annotations

import os
import threading
from typing import Any

import numpy as np
import pytest

import jitorch as jt
from jitorch import philox
from jitorch.errors import ShapeMismatch, TypeMismatch


# Known answers that Random123, the authors' library, publishes.
@pytest.mark.parametrize(
    ("counter", "key", "answer"),
    [
        (
            "00000000 00000000 00000000 00000000",
            "00000000 00000000",
            "6627e8d5 e169c58d bc57ac4c 9b00dbd8",
        ),
        (
            "ffffffff ffffffff ffffffff ffffffff",
            "ffffffff ffffffff",
            "408f276d 41c83b0e a20bc7c6 6d5451fd",
        ),
        (
            "243f6a88 85a308d3 13198a2e 03707344",
            "a4093822 299f31d0",
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_known_answers(counter: str, key: str, answer: str) -> None:
    words = tuple(np.array([int(w, 16)], np.uint64) for w in counter.split())
    k0, k1 = (np.uint64(int(w, 16)) for w in key.split())
    out = philox.philox(words, (k0, k1))
    assert " ".join(f"{int(w[0]):08x}" for w in out) == answer


def test_words_are_lanes_of_blocks() -> None:
    first = philox.words(np, 0, 0, 4, 0)
    assert [f"{int(w):08x}" for w in first] == ["6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8"]
    np.testing.assert_array_equal(philox.words(np, 9, 3, 5, 1), philox.words(np, 9, 0, 8, 1)[3:])
    large = 2**34 + 5
    np.testing.assert_array_equal(
        philox.words(np, 9, large, 3, 0), philox.words(np, 9, large - 1, 4, 0)[1:]
    )
    count = 4 * philox.CHUNK + 2
    np.testing.assert_array_equal(
        philox.words(np, 1, 0, count, 0)[-5:], philox.words(np, 1, count - 5, 5, 0)
    )


DRAWS = {
    "rand": lambda n: jt.rand(n),
    "rand64": lambda n: jt.rand(n, dtype=jt.float64),
    "randn": lambda n: jt.randn(n),
    "randn64": lambda n: jt.randn(n, dtype=jt.float64),
    "randint": lambda n: jt.randint(-5, 1000, (n,)),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_how_calls_are_cut_changes_nothing(draw: Any) -> None:
    jt.manual_seed(5)
    whole = draw(11)
    jt.manual_seed(5)
    parts = jt.cat([draw(3), draw(1), draw(7)])
    assert jt.equal(whole, parts)


COMPILED = {
    "rand": lambda: jt.rand(3, 5),
    "rand64": lambda: jt.rand(7, dtype=jt.float64),
    "rand16": lambda: jt.rand(2, 3, dtype=jt.float16),
    "rand of one": lambda: jt.rand(()),
    "rand of none": lambda: jt.rand(0, 3),
    "randint": lambda: jt.randint(-5, 1000, (11,)),
    "randint of all": lambda: jt.randint(-(2**63), 2**63 - 1, (50,)),
    "randint32": lambda: jt.randint(-7, 10**15, (5,), dtype=jt.int32),
    "randn": lambda: jt.randn(100),
    "randn64": lambda: jt.randn(10, 10, dtype=jt.float64),
    "randn16": lambda: jt.randn(30, dtype=jt.float16),
}


@pytest.mark.numba
@pytest.mark.parametrize("seed", [0, 2**64 - 3])
@pytest.mark.parametrize("name", COMPILED)
def test_compiled_numbers_are_those_of_eager_code(name: str, seed: int) -> None:
    draw: Any = COMPILED[name]
    compiled = jt.jit.trace(draw, ())
    jt.manual_seed(seed)
    wanted = [jt.rand(3), draw(), draw()][1:]
    state = jt.get_rng_state()
    jt.manual_seed(seed)
    found = [jt.rand(3), compiled(), compiled()][1:]
    assert jt.equal(jt.get_rng_state(), state)
    # Logarithms and cosines differ by their last bit.
    tolerance = {"randn": 5e-7, "randn64": 1e-15, "randn16": 2e-3}.get(name, 0)
    for a, b in zip(wanted, found, strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=0, atol=tolerance)


@pytest.mark.numba
def test_dropout_is_one_kernel() -> None:
    @jt.script
    def noisy(x: Any) -> Any:
        return jt.dropout(x * 2, 0.25) + jt.rand_like(x)

    x = jt.arange(4000.0).reshape(50, 80)
    jt.manual_seed(6)
    wanted = noisy.eager(x)
    jt.manual_seed(6)
    np.testing.assert_array_equal(noisy(x).numpy(), wanted.numpy())
    assert noisy.code(x).count("def ") == 1


@pytest.mark.parametrize("dtype", [jt.float16, jt.float32, jt.float64])
def test_uniform(dtype: jt.dtype) -> None:
    jt.manual_seed(0)
    x = jt.rand(40_000, dtype=dtype).numpy().astype(np.float64)
    assert x.min() >= 0
    assert x.max() < 1
    assert abs(x.mean() - 0.5) < 0.01
    assert abs(x.var() - 1 / 12) < 0.005
    counts, _ = np.histogram(x, 16, (0, 1))
    assert ((counts - 2500) ** 2 / 2500).sum() < 40  # chi squared with 15 degrees of freedom
    assert abs(np.corrcoef(x[:-1], x[1:])[0, 1]) < 0.02


@pytest.mark.parametrize("dtype", [jt.float16, jt.float32, jt.float64])
def test_normal(dtype: jt.dtype) -> None:
    jt.manual_seed(1)
    x = jt.randn(200, 200, dtype=dtype).numpy().astype(np.float64)
    assert np.isfinite(x).all()
    assert abs(x.mean()) < 0.02
    assert abs(x.std() - 1) < 0.02
    assert abs((x**3).mean()) < 0.06
    assert abs((x**4).mean() - 3) < 0.15
    assert abs((np.abs(x) < 1).mean() - 0.6827) < 0.01


def test_normal_is_finite_at_the_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    for word in (0, 2**32 - 1):
        monkeypatch.setattr(
            philox, "words", lambda xp, seed, start, n, s, w=word: np.full(n, w, np.uint64)
        )
        for dtype in (np.float32, np.float64):
            assert np.isfinite(philox.normal(np, 0, 0, 3, np.dtype(dtype))).all()
            u = philox.uniform(np, 0, 0, 3, np.dtype(dtype))
            assert ((u >= 0) & (u < 1)).all()


def test_randint() -> None:
    jt.manual_seed(2)
    x = jt.randint(-2, 3, (5000,))
    assert x.dtype is jt.int64
    counts = [int((x == v).sum()) for v in range(-2, 3)]
    assert sum(counts) == 5000
    assert min(counts) > 850
    assert jt.randint(4, (2, 3)).shape == (2, 3)
    assert jt.randint(7, 8, (3,), dtype=jt.uint8).tolist() == [7, 7, 7]
    wide = jt.randint(-(2**63), 2**63 - 1, (1000,))
    assert int((wide < 0).sum()) in range(400, 600)
    assert jt.randint(0, 10**12, (3,)).shape == (3,)
    with pytest.raises(ShapeMismatch, match="expects 'from' to be less than 'to'"):
        jt.randint(3, 3, (1,))
    with pytest.raises(TypeMismatch, match="needs `high` and `size`"):
        jt.randint(3)


def test_randint_is_a_multiply() -> None:
    numbers = philox.integers(np, 3, 0, 50, np.dtype(np.int64), -7, 10**15)
    words = philox.words(np, 3, 0, 50, 0).tolist(), philox.words(np, 3, 0, 50, 1).tolist()
    wanted = [(-7 + ((a << 32 | b) * (10**15 + 7) >> 64)) for a, b in zip(*words, strict=True)]
    assert numbers.tolist() == wanted


def test_randperm() -> None:
    jt.manual_seed(3)
    first, second = jt.randperm(100), jt.randperm(100)
    assert sorted(first.tolist()) == list(range(100))
    assert not jt.equal(first, second)
    assert jt.randperm(0).tolist() == []


def test_filling_in_place() -> None:
    jt.manual_seed(4)
    x = jt.empty(1000)
    assert x.uniform_(2, 3) is x
    assert 2 <= float(x.min()) <= float(x.max()) <= 3
    assert abs(float(x.normal_(5, 2).mean()) - 5) < 0.3
    assert abs(float(x.bernoulli_(0.3).mean()) - 0.3) < 0.06
    assert abs(float(x.exponential_(2.0).mean()) - 0.5) < 0.1
    assert float(x.random_(10).max()) <= 9
    assert jt.zeros(3, dtype=jt.int64).random_(5, 6).tolist() == [5, 5, 5]


def test_distributions() -> None:
    jt.manual_seed(5)
    p = jt.tensor([0.0, 1.0]).expand(50, 2)
    assert jt.bernoulli(p).sum(0).tolist() == [0.0, 50.0]
    assert jt.normal(0.0, 1.0, (2, 3)).shape == (2, 3)
    assert jt.normal(jt.zeros(4), jt.ones(4)).shape == (4,)
    assert jt.rand_like(jt.zeros(2, dtype=jt.float64)).dtype is jt.float64
    assert jt.randn_like(jt.zeros(2)).shape == (2,)
    assert jt.randint_like(jt.zeros(2), 3, 4).tolist() == [3.0, 3.0]


def test_dropout() -> None:
    x = jt.ones(1000)
    y = jt.dropout(x, 0.25)
    assert set(y.unique().tolist()) <= {0.0, np.float32(1 / 0.75).item()}
    assert abs(float((y == 0).float().mean()) - 0.25) < 0.08
    assert jt.dropout(x, training=False) is x
    assert float(jt.dropout(x, 1.0).sum()) == 0
    with pytest.raises(ShapeMismatch, match="between 0 and 1"):
        jt.dropout(x, 2.0)


def test_seed_and_state() -> None:
    assert jt.manual_seed(7).initial_seed() == 7 == jt.initial_seed()
    state = jt.get_rng_state()
    a = jt.randn(5)
    jt.set_rng_state(state)
    assert jt.equal(a, jt.randn(5))
    jt.manual_seed(-1)
    assert jt.initial_seed() == 2**64 - 1
    assert jt.seed() == jt.initial_seed()
    with pytest.raises(TypeMismatch, match="wrong size"):
        jt.set_rng_state(jt.zeros(3, dtype=jt.uint8))


def test_threads_share_the_sequence() -> None:
    jt.manual_seed(8)
    drawn: list[float] = []

    def work() -> None:
        for _ in range(50):
            drawn.extend(jt.rand(3, dtype=jt.float64).tolist())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    jt.manual_seed(8)
    assert sorted(drawn) == sorted(jt.rand(600, dtype=jt.float64).tolist())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_fork_continues_with_a_copy() -> None:
    jt.manual_seed(9)
    jt.rand(3)
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover
        os.write(send, jt.rand(2).numpy().tobytes())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(receive, 8) == jt.rand(2).numpy().tobytes()
    os.close(receive)
    os.close(send)


@pytest.mark.parametrize("call", [jt.rand, jt.randn])
def test_only_floats_are_drawn(call: Any) -> None:
    with pytest.raises(TypeMismatch, match="not implemented for int64"):
        call(3, dtype=jt.int64)


def test_a_seed_set_in_compiled_code_counts_on_every_call() -> None:
    @jt.script
    def draw(seed: int) -> Any:
        jt.manual_seed(seed)
        return jt.rand(3)

    first = draw(3).tolist()
    assert draw(4).tolist() != first
    assert draw(3).tolist() == first == draw.eager(3).tolist()


def test_the_state_of_the_generator_is_no_value_of_a_program() -> None:
    @jt.script
    def state() -> Any:
        return jt.get_rng_state()

    with pytest.raises(jt.errors.UnsupportedSyntax, match="no compiled form"):
        state()


@pytest.mark.numba
@pytest.mark.parametrize(
    "draw",
    [
        lambda n: jt.rand(n - 5),
        lambda n: jt.randn(n - 5, n - 4),
        lambda n: jt.randint(3, (2, n - 5)),
        lambda n: jt.randperm(n - 5),
    ],
)
def test_a_size_below_zero_leaves_the_generator_alone(draw: Any) -> None:
    """Also where only run time tells it."""
    state = jt.get_rng_state()
    compiled = jt.script(lambda n: draw(n.item()))
    for call, n in ((compiled, jt.tensor(3)), (draw, 3)):
        with pytest.raises(ShapeMismatch, match="negative"):
            call(n)
        assert jt.equal(jt.get_rng_state(), state)
