"""What all tests share."""

pytest_plugins = ["tests.needs", "tests.media", "tests.graphs", "tests.emulator.fixtures"]
