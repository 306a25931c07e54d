"""What all tests share."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.needs", "tests.media", "tests.graphs", "tests.emulator.fixtures"]

# How many random cases a test tries: `pytest --hypothesis-profile NAME`. `scripts/test` chooses one.
for name, examples in (("fast", 100), ("ci", 1_000), ("deep", 5_000)):
    settings.register_profile(
        name, max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck)
    )
settings.load_profile("ci")
