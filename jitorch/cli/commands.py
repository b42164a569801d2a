"""The commands, their options and their help. What they do is in the modules beside this one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

import jitorch
from jitorch.cli.console import Failure
from jitorch.errors import JitorchError, full_traceback

F = TypeVar("F", bound=Callable[..., Any])


class _Group(click.Group):
    """Shows the errors that jitorch raises on purpose as messages, not as tracebacks."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except JitorchError as error:
            if full_traceback():
                raise
            raise Failure(str(error)) from None


@click.group(
    cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(jitorch.__version__, prog_name="jitorch")
def cli() -> None:
    """See what jitorch makes of a function, and run it both ways.

    \b
      jitorch run     model.py:loss -i 'f32[64,10]' -i 'i64[64] in 0..9'
      jitorch explain model.py:loss -i 'f32[64,10]' -i 'i64[64] in 0..9'
      jitorch dump    model.py:loss -i 'f32[64,10]' -i 'i64[64] in 0..9' --format html -o loss.html

    A function is named FILE.py:FUNCTION or package.module:FUNCTION; FUNCTION may be dotted
    (model.forward). It may be scripted, traced or plain Python; plain Python is scripted.

    Exit codes: 0 all well; 1 the function can't be compiled, results differ, or a check failed;
    2 the command line is wrong.
    """


_INPUT_HELP = """\
One argument of the call; repeat it for each. A type with sizes, filled with random numbers:
'f32[8,16]' (dtypes: bool u8 i8 i16 i32 i64 f16 f32 f64). With a range: 'i64[9] in 0..4'. With a
filling: 'f64[100]=arange' (zeros, ones, arange, or a number). A file: x.npy. A Python expression:
'[1, 2]', '"mean"', 'np.linspace(0, 1, 5)', with np, jt and the names of the function's module.
NAME=VALUE gives a keyword argument, np:VALUE a NumPy array instead of a tensor."""


def _subject_options(command: F) -> F:
    """Add what all commands about a function take."""
    for option in reversed(
        [
            click.argument("function", metavar="FILE.py:FUNCTION"),
            click.option(
                "-i", "--input", "inputs", multiple=True, metavar="VALUE", help=_INPUT_HELP
            ),
            click.option("--numpy", is_flag=True, help="Make all inputs NumPy arrays."),
            click.option(
                "--seed",
                default=0,
                show_default=True,
                help="Where the random numbers of inputs begin.",
            ),
            click.option(
                "--trace", is_flag=True, help="Trace the function instead of scripting it."
            ),
        ]
    ):
        command = option(command)
    return command


@cli.command()
@_subject_options
@click.option(
    "-s",
    "--stage",
    "stages",
    multiple=True,
    metavar="STAGE",
    help="parsed (the AST), typed, the name of a pass (cse, ...), optimized, fused [default], "
    "kernels, llvm, asm (with --device cuda: kernels, ptx, sass); all is each up to kernels. "
    "For several, repeat it or use commas.",
)
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    show_default=True,
    help="What to make code for. For cuda no GPU is needed.",
)
@click.option(
    "--cc",
    default="9.0",
    show_default=True,
    metavar="CC",
    help="The GPU's compute capability, with --device cuda.",
)
@click.option(
    "-f",
    "--format",
    "form",
    type=click.Choice(["text", "json", "dot", "html"]),
    default="text",
    show_default=True,
    help="html is one page that links source lines with what became of them; dot is for Graphviz.",
)
@click.option("--diff", is_flag=True, help="Show what changes from each stage to the next.")
@click.option(
    "--locations", is_flag=True, help="End each line with the place in the source it comes from."
)
@click.option("-o", "--output", metavar="FILE", help="Write to a file instead of standard output.")
def dump(
    function: str,
    inputs: tuple[str, ...],
    stages: tuple[str, ...],
    form: str,
    output: str | None,
    device: str,
    cc: str,
    **rest: Any,
) -> None:
    """Print a function at any stage between its source and machine code.

    \b
      jitorch dump f.py:softmax -i 'f32[8,16]'                          the fused graph
      jitorch dump f.py:softmax -i 'f32[8,16]' --stage kernels          generated source
      jitorch dump f.py:softmax -i 'f32[8,16]' --stage all --diff       what each pass changed
      jitorch dump f.py:softmax -i 'f32[8,16]' --device cuda -s ptx     the same for a GPU
      jitorch dump f.py:softmax -i 'f32[8,16]' --format html -o f.html  all of it, to look at

    Sizes are run-time values: they appear in the graph as symbols (n, m, ...). A size of 1 stays a
    number. The text of a graph is complete: `jitorch opt` takes it. With several stages, a value
    keeps its number from stage to stage.
    """
    from jitorch.cli import dump as module

    diff, locations = rest.pop("diff"), rest.pop("locations")
    subject = _open(function, inputs, **rest)
    capability = None
    if device == "cuda":
        from jitorch.codegen.cuda.toolkit import parse_capability

        capability = parse_capability(cc)
    module.dump(subject, stages, form, diff=diff, output=output, locations=locations, cc=capability)


@cli.command()
@click.argument("file", metavar="FILE.ir")
@click.option(
    "-p", "--passes", default="", metavar="NAMES", help="Passes to run, separated by commas."
)
@click.option(
    "--verify/--no-verify", default=True, show_default=True, help="Check the graph after each pass."
)
@click.option("-o", "--output", metavar="FILE", help="Write to a file instead of standard output.")
def opt(file: str, passes: str, verify: bool, output: str | None) -> None:
    """Run named passes over a graph's text.

    \b
      jitorch dump f.py:softmax -i 'f32[8,16]' --stage typed -o f.ir
      jitorch opt f.ir -p decompose,cse,dce

    FILE.ir may be - for standard input. Without -p the graph is checked and printed.
    """
    from jitorch.cli import opt as module

    names = [name.strip() for name in passes.split(",") if name.strip()]
    module.opt(file, names, verify=verify, output=output)


@cli.command()
@_subject_options
@click.option(
    "--repeat",
    default=7,
    show_default=True,
    type=click.IntRange(1),
    help="How often to take the time.",
)
@click.option(
    "--rtol", type=float, help="Relative tolerance [default: f64 1e-10, f32 1e-5, f16 1e-2]."
)
@click.option(
    "--atol", type=float, help="Absolute tolerance [default: f64 1e-12, f32 1e-6, f16 1e-3]."
)
def run(
    function: str,
    inputs: tuple[str, ...],
    repeat: int,
    rtol: float | None,
    atol: float | None,
    **rest: Any,
) -> None:
    """Run a function eagerly and compiled, and compare results and times.

    \b
      jitorch run f.py:softmax -i 'f32[1024,1024]'

    Arguments that the function writes to are compared too, and what it prints. The exit code is 1
    if the two differ beyond the tolerance, or if either raises an error.
    """
    from jitorch.cli import compare

    if not compare.run(_open(function, inputs, **rest), repeat, rtol, atol):
        sys.exit(1)


@cli.command()
@_subject_options
@click.option(
    "--call",
    "calls",
    multiple=True,
    metavar="VALUES",
    help="Inputs of a further call, separated by ';': does it need a version of its own, and why?",
)
def explain(function: str, inputs: tuple[str, ...], calls: tuple[str, ...], **rest: Any) -> None:
    """Say what was compiled for a call, and why.

    \b
      jitorch explain f.py:softmax -i 'f32[8,16]'
      jitorch explain f.py:softmax -i 'f32[8,16]' --call 'f64[8,16]' --call 'f32[1,16]'

    It lists the versions and why each was compiled, the facts they rely on, which ops share a
    kernel and which do not and why, which memory is reused, and the time of each stage.
    """
    from jitorch.cli import explain as module

    module.explain(_open(function, inputs, **rest), calls, _options(**rest))


@cli.command()
@click.option(
    "-f",
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json is for programs to read.",
)
def doctor(form: str) -> None:
    """Check the installation: versions, processor, threads, cache, environment, CUDA.

    What is missing, too old or does not fit is named with the command that mends it. The exit code
    is 1 if something keeps jitorch from working on the CPU; CUDA is optional.
    """
    from jitorch.cli import doctor as module

    if not module.doctor(form):
        sys.exit(1)


@cli.group()
def cache() -> None:
    """Look at the kernels kept on disk, or delete them.

    JITORCH_CACHE_DIR places the cache, JITORCH_CACHE_MB bounds it, JITORCH_CACHE=0 switches it off.
    """


@cache.command("ls")
def cache_ls() -> None:
    """List the kernels, those used last first."""
    from jitorch.cli import caching

    caching.show()


@cache.command("clear")
def cache_clear() -> None:
    """Delete all kernels."""
    from jitorch.cli import caching

    caching.clear()


@cache.command("verify")
def cache_verify() -> None:
    """Read every kernel file; the exit code is 1 if one is damaged."""
    from jitorch.cli import caching

    if not caching.verify():
        sys.exit(1)


@cache.command("path")
def cache_path() -> None:
    """Print where the cache is."""
    from jitorch.codegen import cache as kernels

    click.echo(kernels.directory())


def _options(**rest: Any) -> Any:
    from jitorch.cli.subject import Options

    return Options(**rest)


def _open(function: str, inputs: tuple[str, ...], **rest: Any) -> Any:
    from jitorch.cli.subject import open_subject

    return open_subject(function, inputs, _options(**rest))
