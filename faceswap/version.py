"""The version. pyproject.toml, the command line and the signature of a result read it from here."""

VERSION = "0.1.0"
