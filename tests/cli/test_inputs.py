"""`--input`: every form, and what is said about wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jitorch as jt
from jitorch.cli.inputs import Arguments, describe, read
from jitorch.cli.stages import names
from tests.cli.conftest import Run
from tests.conftest import Golden


def one(text: str, **options: Any) -> Any:
    (value,) = read([text], {"mine": 7}, **options).args
    return value


@pytest.mark.parametrize(
    ("text", "described"),
    [
        ("f32[8,16]", "f32[8, 16]"),
        ("float64[ 3 ]", "f64[3]"),
        ("i64[]", "i64[]"),
        ("bool[2, 0]", "bool[2, 0]"),
        ("c64[2]", "c64[2]"),
        ("f16[4] in -1..1", "f16[4]"),
        ("np:f32[3]", "np:f32[3]"),
        ("3", "3"),
        ("0.5", "0.5"),
        ('"mean"', "'mean'"),
        ("[1, (2, None)]", "[1, (2, None)]"),
        ("np.linspace(0, 1, 5)", "f64[5]"),
        ("np:np.linspace(0, 1, 5)", "np:f64[5]"),
        ("np:jt.zeros(2)", "np:f32[2]"),
        ("[f32[3], i8[2, 2]]", "[f32[3], i8[2, 2]]"),
        ("mine + 1", "8"),
        ("{'a': np.zeros(2)}", "{'a': f64[2]}"),
    ],
)
def test_forms(text: str, described: str) -> None:
    assert describe(one(text)) == described


def test_fillings() -> None:
    assert one("f64[3]=arange").tolist() == [0.0, 1.0, 2.0]
    assert one("i32[2,2] = ones").tolist() == [[1, 1], [1, 1]]
    assert one("f32[2]=0.5").tolist() == [0.5, 0.5]
    assert one("bool[2]=zeros").tolist() == [False, False]


def test_ranges() -> None:
    whole = one("i64[1000] in -2..2").numpy()
    assert set(whole.tolist()) == {-2, -1, 0, 1, 2}
    real = one("f32[1000] in 0.5..1.5").numpy()
    assert 0.5 <= real.min() < 0.6
    assert 1.4 < real.max() <= 1.5


def test_the_seed_decides_and_inputs_differ() -> None:
    a, b = read(["f32[4]", "f32[4]"], {}).args
    assert a.tolist() == one("f32[4]").tolist()
    assert a.tolist() != b.tolist()
    assert one("f32[4]", seed=1).tolist() != a.tolist()


def test_strided() -> None:
    x = one("f32[3,4; strided]")
    assert x.shape == (3, 4)
    assert not x.is_contiguous()


def test_numpy_option() -> None:
    assert isinstance(one("f32[3]", numpy=True), np.ndarray)


def test_files(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(3.0))
    assert one(str(tmp_path / "x.npy")).tolist() == [0.0, 1.0, 2.0]


def test_keywords() -> None:
    got = read(["1", "k=f32[3]=ones", "flag = x == 2"], {"x": 2})
    assert got.args == [1]
    assert describe(got.kwargs["k"]) == "f32[3]"
    assert got.kwargs["flag"] is True
    assert read(["2 == 2"], {}).args == [True]


def test_copies_keep_strides_and_share_nothing() -> None:
    x = np.arange(24.0).reshape(4, 6)[:, ::2]
    given = Arguments([x, [jt.from_numpy(x)]], {"k": (x,)})
    copied = given.copy()
    for each in (copied.args[0], copied.args[1][0].numpy(), copied.kwargs["k"][0]):
        assert each.strides == x.strides
        assert (each == x).all()
        assert not np.shares_memory(each, x)


WRONG = {
    "no-colon": ["functions.py", "-i", "f32[3]"],
    "no-file": ["nothing.py:f"],
    "no-module": ["nothing_at_all:f"],
    "no-function": ["functions.py:sofmax"],
    "no-function-at-all": ["functions.py:zzz"],
    "class": ["functions.py:Model"],
    "object": ["functions.py:model"],
    "missing-input": ["functions.py:pair", "-i", "f32[3]"],
    "too-many": ["functions.py:softmax", "-i", "f32[3]", "-i", "1"],
    "unknown-keyword": ["functions.py:softmax", "-i", "f32[3]", "-i", "y=1"],
    "twice": ["functions.py:steps", "-i", "f32[3]", "-i", "n=1", "-i", "n=2"],
    "symbolic-size": ["functions.py:softmax", "-i", "f32[n,3]"],
    "empty-range": ["functions.py:softmax", "-i", "f32[3] in 2..1"],
    "range-number": ["functions.py:softmax", "-i", "i32[3] in 0..0.5"],
    "range-too-big": ["functions.py:softmax", "-i", "u8[3] in 0..300"],
    "range-of-bool": ["functions.py:softmax", "-i", "bool[3] in 0..1"],
    "filling": ["functions.py:softmax", "-i", "f32[3]=nothing"],
    "no-npy": ["functions.py:softmax", "-i", "nothing.npy"],
    "unquoted": ["functions.py:steps", "-i", "f32[3]", "-i", "how=mean"],
    "syntax": ["functions.py:softmax", "-i", "f33[3"],
    "raising": ["functions.py:softmax", "-i", "np.zeros(-1)"],
    "dtype": ["functions.py:softmax", "-i", "np.array(['a'])"],
    "ptx": ["functions.py:softmax", "-i", "f32[3,3]", "--stage", "ptx"],
    "diff-json": ["functions.py:softmax", "-i", "f32[3,3]", "--diff", "--format", "json"],
    "diff-one": ["functions.py:softmax", "-i", "f32[3,3]", "--diff", "--stage", "typed"],
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_command_lines_give_one_message(run: Run, golden: Golden, name: str) -> None:
    result = run("dump", *WRONG[name], code=2)
    assert "Traceback" not in result.output
    golden(f"{name}.txt", result.output)


def test_a_list_of_tensors(run: Run) -> None:
    text = run("dump", "functions.py:total", "-i", "[f32[3], f32[3]]").output
    assert "%items_0: f32[n], %items_1: f32[" in text


def test_functions_that_are_refused(run: Run) -> None:
    output = run("dump", "functions.py:generator", "-i", "f32[3]", code=1).output
    assert output.startswith("error: ")
    assert "yield" in output


def test_unknown_stage(run: Run) -> None:
    output = run("dump", "functions.py:softmax", "-i", "f32[3,3]", "-s", "fusd", code=2).output
    assert output.startswith("error: there is no stage 'fusd'; did you mean 'fused'?\n")
    assert all(name in output for name in names())


def test_damaged_npy(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "x.npy"
    file.write_bytes(b"\x93NUMPY nonsense")
    assert "can't be read" in run("dump", "functions.py:softmax", "-i", str(file), code=2).output


def test_errors_of_the_compiler_have_their_place(run: Run) -> None:
    output = run("dump", "functions.py:unsupported", "-i", "f32[3]", code=1).output
    assert output.startswith("error: ")
    assert "functions.py" in output
    assert "^" in output
    assert "Traceback" not in output


def test_modules_that_fail(run: Run, tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("def f(x):\n    return x\n\n1 / 0\n", encoding="utf-8")
    output = run("dump", f"{broken}:f", code=1).output
    assert output.splitlines()[:2] == [
        "error: broken.py can't be imported",
        "Traceback (most recent call last):",
    ]
    assert output.count("File ") == 1
    broken.write_text("def f(x)\n", encoding="utf-8")
    assert "SyntaxError" in run("dump", f"{broken}:f", code=1).output
    quits = tmp_path / "quits.py"
    quits.write_text("raise SystemExit(3)\n", encoding="utf-8")
    assert "ends the program" in run("dump", f"{quits}:f", code=1).output


def test_a_file_in_a_package_imports_its_neighbours(run: Run, tmp_path: Path) -> None:
    package = tmp_path / "some_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "other.py").write_text("TWO = 2.0\n", encoding="utf-8")
    (package / "mod.py").write_text(
        "from .other import TWO\n\ndef f(x):\n    return x * TWO\n", encoding="utf-8"
    )
    assert "value=2.0" in run("dump", f"{package / 'mod.py'}:f", "-i", "f32[3]").output
