"""`voicegw completion`: the script by which a shell completes commands and options."""

import os
from enum import StrEnum
from typing import Annotated, Final

import typer

PROGRAM: Final = "voicegw"
VARIABLE: Final = "_VOICEGW_COMPLETE"
"""Set by the script; the program then says what could come next, and does nothing else."""


class Shell(StrEnum):
    """Shells whose completion we know."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    POWERSHELL = "powershell"


def completion(shell: Annotated[Shell, typer.Argument(help="Which shell it is for.")]) -> None:
    """Print a shell's completion script, for the folder that the shell reads such scripts from."""
    from typer.completion import get_completion_script  # type: ignore[attr-defined]  # typer's, passed on without a word

    # The shell's name, no shell.
    typer.echo(get_completion_script(prog_name=PROGRAM, complete_var=VARIABLE, shell=shell.value))  # nosec B604


def answer_shell() -> None:
    """Have the program understand the questions of its scripts."""
    if VARIABLE in os.environ:
        from typer.completion import completion_init  # type: ignore[attr-defined]  # likewise

        completion_init()
