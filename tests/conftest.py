"""What all tests share."""

pytest_plugins = ["tests.media", "tests.emulator.fixtures"]
