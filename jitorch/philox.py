"""Counter-based random numbers: number `n` of a seed is computed from (seed, n) alone.

Philox4x32-10 turns a 128-bit counter and a 64-bit key into four 32-bit words (Salmon, Moraes, Dror
and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11). The seed is the key. Element n has
words w(n, 0), w(n, 1), ...; word s is lane n % 4 of the block with counter (n // 4, s), n // 4
filling the two low words of the counter and s the third. So a kernel can draw element by element
what eager code draws at once, and how a sequence is cut into calls changes nothing.

Functions take an array module (NumPy, CuPy) first, and compute with it.
"""

from __future__ import annotations

import operator
import os
import threading
from typing import Any

import numpy as np

Array = Any  # of the module given

MASK = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
ROUNDS = 10
CHUNK = 1 << 13  # blocks at a time, so that the intermediate words stay in a processor's cache


def philox(counter: tuple[Array, ...], key: tuple[Array, Array]) -> tuple[Array, ...]:
    """Return the four words for each counter. All words, of 32 bits, are held in uint64."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        a, b = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1 = (b >> HALF) ^ c1 ^ k0, b & MASK
        c2, c3 = (a >> HALF) ^ c3 ^ k1, a & MASK
        k0, k1 = (k0 + WEYL[0]) & MASK, (k1 + WEYL[1]) & MASK
    return c0, c1, c2, c3


def words(xp: Any, seed: int, start: int, count: int, stream: int) -> Array:
    """Return w(n, stream) for the elements start <= n < start + count, as uint64."""
    first, last = start // 4, -(-(start + count) // 4)
    out = xp.empty((last - first, 4), xp.uint64)
    step = CHUNK if xp is np else max(last - first, 1)
    for low in range(first, last, step):
        block = xp.arange(low, min(low + step, last), dtype=xp.uint64)
        lanes = _blocks(xp, block, np.uint64(seed), np.uint64(stream))
        out[low - first : low - first + len(block)] = xp.stack(lanes, axis=1)
    return out.reshape(-1)[start - 4 * first :][:count]


def words_of(xp: Any, numbers: Array, seed: Array, stream: Array) -> Array:
    """Return w(n, stream) for elements n, as int64.

    All are int64 arrays, which broadcast; of `stream` the low 32 bits count.
    """
    unsigned = [x.astype(xp.uint64) for x in (numbers, seed, stream)]
    a, b, c, d = _blocks(xp, unsigned[0] >> np.uint64(2), unsigned[1], unsigned[2] & MASK)
    lane = numbers & 3
    picked = xp.where(lane < 2, xp.where(lane == 0, a, b), xp.where(lane == 2, c, d))
    return picked.astype(xp.int64)


def _blocks(xp: Any, block: Array, seed: Array, stream: Array) -> tuple[Array, ...]:
    """Return the four lanes of blocks."""
    zero = xp.zeros(block.shape, xp.uint64)
    return philox((block & MASK, block >> HALF, zero + stream, zero), (seed & MASK, seed >> HALF))


def uniform(xp: Any, seed: int, start: int, count: int, dtype: np.dtype[Any]) -> Array:
    """Return numbers in [0, 1): 24 random bits for float32, 53 for float64, 11 for float16."""
    w = words(xp, seed, start, count, 0)
    if dtype == np.float64:
        low = words(xp, seed, start, count, 1)
        return ((w >> np.uint64(5)) * 2.0**26 + (low >> np.uint64(6))) * 2.0**-53
    if dtype == np.float16:
        return ((w >> np.uint64(21)) * 2.0**-11).astype(np.float16)
    return (w >> np.uint64(8)).astype(np.float32) * np.float32(2.0**-24)


def normal(xp: Any, seed: int, start: int, count: int, dtype: np.dtype[Any]) -> Array:
    """Return normally distributed numbers, by Box and Muller's method on two words of each element.

    (float64 takes four words.) The largest that float32 can give is 6.8.
    """
    w = [words(xp, seed, start, count, s) for s in range(4 if dtype == np.float64 else 2)]
    if dtype == np.float64:
        u = (w[0] * 2.0**32 + w[1] + 0.5) * 2.0**-64
        angle = (w[2] * 2.0**32 + w[3]) * (2 * np.pi * 2.0**-64)
        return xp.sqrt(-2 * xp.log(u)) * xp.cos(angle)
    single = np.float32
    near = (w[0].astype(single) + single(0.5)) * single(2.0**-32)
    turn = (w[1] >> np.uint64(8)).astype(single) * single(2 * np.pi * 2.0**-24)
    return (xp.sqrt(single(-2) * xp.log(near)) * xp.cos(turn)).astype(dtype, copy=False)


def integers(
    xp: Any, seed: int, start: int, count: int, dtype: np.dtype[Any], low: int, high: int
) -> Array:
    """Return numbers in [low, high): low + floor(x * (high - low) / 2**64) of a 64-bit x.

    No number is more likely than another by more than a factor of 1 + (high - low) / 2**64.
    """
    x1, x0 = words(xp, seed, start, count, 0), words(xp, seed, start, count, 1)
    r1, r0 = (np.uint64(part) for part in divmod(high - low, 2**32))
    # The high half of a 128-bit product, from products of 32-bit halves.
    middle = x1 * r0 + ((x0 * r0) >> HALF)
    carry = x0 * r1 + (middle & MASK)
    scaled = x1 * r1 + (middle >> HALF) + (carry >> HALF)
    return (scaled + np.uint64(low % 2**64)).astype(xp.int64).astype(dtype, copy=False)


def permutation(xp: Any, seed: int, start: int, count: int) -> Array:
    """Return 0, ..., count - 1 in random order: that of the elements' 64-bit numbers."""
    high, low = (words(xp, seed, start, count, stream) for stream in (0, 1))
    return xp.argsort((high << HALF) | low, kind="stable")


class Generator:
    """A seed, and how many of its numbers were drawn. Threads may share one.

    A process made by fork() continues with a copy, and draws the same numbers as its parent: give
    each process a seed of its own where that matters.
    """

    def __init__(self, device: str = "cpu") -> None:
        self._lock = threading.Lock()
        self._seed = int.from_bytes(os.urandom(8), "little")
        self._drawn = 0
        # Another thread may hold the lock at the moment of a fork; the child needs one of its own.
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew_lock)

    def _renew_lock(self) -> None:
        self._lock = threading.Lock()

    def take(self, count: int) -> tuple[int, int]:
        """Return (seed, first number) of `count` numbers that nobody else gets."""
        with self._lock:
            start = self._drawn
            self._drawn += count
            return self._seed, start

    def manual_seed(self, seed: int) -> Generator:
        """Start over with a seed: any integer, taken modulo 2**64."""
        with self._lock:
            self._seed, self._drawn = operator.index(seed) % 2**64, 0
        return self

    def seed(self) -> int:
        """Start over with a seed from the operating system, and return it."""
        return self.manual_seed(int.from_bytes(os.urandom(8), "little")).initial_seed()

    def initial_seed(self) -> int:
        """Return the seed."""
        return self._seed

    def state(self) -> tuple[int, int]:
        """Return (seed, numbers drawn)."""
        with self._lock:
            return self._seed, self._drawn

    def restore(self, seed: int, drawn: int) -> None:
        """Continue from an earlier `state()`."""
        with self._lock:
            self._seed, self._drawn = seed, drawn


default_generator = Generator()
