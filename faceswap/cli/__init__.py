"""The command line. It uses the same service and the same jobs as the app.

Run `faceswap --help`, or `python -m faceswap --help` in a checkout that is not installed.

Exit codes: 0 done; 1 failed or refused, with the reason on standard error; 2 the command line or a setting is
wrong; 130 interrupted. `verify` exits with 0 for a signed file that is unchanged, and with 1 for every other
file. With `--json`, a command prints one object in the API's envelope on standard output, for errors too.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from faceswap.cli.output import (
    FAILED,
    INTERRUPTED,
    USAGE,
    Refused,
    make_printable,
    say_failure,
    speaks_chinese,
)
from faceswap.cli.parser import parser
from faceswap.errors import FaceSwapError, WrongSetting
from faceswap.quiet_log import QuietHandler
from faceswap.settings import Settings

__all__ = ["main"]

_SETTINGS = ("data_dir", "server_port", "server_name")
"""Settings that the command line can override. The arguments have the same names."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Only this function turns errors into messages and exit codes."""
    make_printable(sys.stdout)
    given = parser().parse_args(argv)
    try:
        settings = Settings(**_overrides(given))
    except ValidationError as error:
        return say_failure(given, _wrong_settings(given, error), USAGE)
    _log_to_stderr(settings, given.command)
    try:
        return given.run(given, settings)
    except FaceSwapError as error:
        return say_failure(given, _in_words(given, error))
    except Refused as error:
        return say_failure(given, str(error))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `… | head` has closed the pipe: Python must not write to it at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _overrides(given: argparse.Namespace) -> dict[str, Any]:
    found = {name: getattr(given, name, None) for name in _SETTINGS}
    return {name: value for name, value in found.items() if value is not None}


def _wrong_settings(given: argparse.Namespace, error: ValidationError) -> str:
    """Return the names of the wrong settings and the reasons, without the values: a value may be a key."""
    return "\n".join(
        _in_words(given, WrongSetting(name=each["loc"][0], reason=each["msg"]))
        for each in error.errors(include_input=False)
    )


def _in_words(given: argparse.Namespace, error: FaceSwapError) -> str:
    """Return the sentence of an error in the language of the terminal. Programs are told it in English."""
    if given.json or not speaks_chinese():
        return str(error)
    from faceswap.ui import texts  # it imports Gradio, which takes seconds; the commands need none of it

    return texts.sentence(error, "zh")


def _log_to_stderr(settings: Settings, command: str) -> None:
    """Log to standard error. `serve` logs at the level of the settings.

    Other commands log warnings only, unless the log level is set.
    """
    asked = command == "serve" or "log_level" in settings.model_fields_set
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", handlers=[QuietHandler()])
    logging.getLogger("faceswap").setLevel(settings.log_level if asked else "WARNING")
