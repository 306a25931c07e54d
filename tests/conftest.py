"""What all tests share."""

pytest_plugins = ["tests.media", "tests.graphs", "tests.emulator.fixtures"]
