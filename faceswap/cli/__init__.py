"""The command line, over the same service and the same jobs as the app: `faceswap --help`, or
`python -m faceswap --help` in a checkout that is not installed.

Exit codes: 0 done; 1 failed or refused, and why is on standard error; 2 command line or setting is wrong; 130
interrupted. `verify` answers 0 for a file that is as it was signed, and 1 for every other. With `--json` one
object in the API's envelope is on standard output, whatever happened.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from faceswap.cli.output import FAILED, INTERRUPTED, USAGE, Refused, say_failure
from faceswap.cli.parser import parser
from faceswap.errors import FaceSwapError
from faceswap.settings import Settings

__all__ = ["main"]

_SETTINGS = ("data_dir", "server_port", "server_name")
"""Settings that the command line can override, by the names of its own arguments."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the one place where errors become words and exit codes."""
    given = parser().parse_args(argv)
    try:
        settings = Settings(**_overrides(given))
    except ValidationError as error:
        return say_failure(given, _wrong_settings(error), USAGE)
    _log_to_stderr(settings, given.command)
    try:
        return given.run(given, settings)
    except (FaceSwapError, Refused) as error:
        return say_failure(given, str(error))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `… | head`: whoever read has gone; nothing more may be written at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _overrides(given: argparse.Namespace) -> dict[str, Any]:
    found = {name: getattr(given, name, None) for name in _SETTINGS}
    return {name: value for name, value in found.items() if value is not None}


def _wrong_settings(error: ValidationError) -> str:
    """Names and reasons, without the values: one of them may be a key."""
    return "\n".join(
        f"Setting {each['loc'][0]}: {each['msg']}." for each in error.errors(include_input=False)
    )


def _log_to_stderr(settings: Settings, command: str) -> None:
    """The app logs what it does; a command only what is wrong, unless the settings ask for more."""
    asked = command == "serve" or "log_level" in settings.model_fields_set
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("faceswap").setLevel(settings.log_level if asked else "WARNING")
