from pathlib import Path

import pytest
from pydantic import AliasChoices, ValidationError

from faceswap.settings import Settings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in os.environ:
        if name.startswith(("FACESWAP_", "RUNPOD_", "GRADIO_", "SPACE_")):
            monkeypatch.delenv(name)


def test_defaults_are_those_of_ones_own_machine() -> None:
    settings = Settings()
    assert (settings.backend_name, settings.multi_user) == ("local", False)
    assert (settings.server_name, settings.server_port) == ("127.0.0.1", 3001)
    assert settings.max_active == 5
    assert (settings.max_duration_s, settings.max_upload_mb) == (3 * 3600, 20_000)
    assert settings.retention_days is None, "nothing is deleted by itself"


def test_a_space_has_many_users_and_its_own_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_ID", "someone/faceswap")
    settings = Settings()
    assert (settings.multi_user, settings.server_name, settings.server_port) == (True, "0.0.0.0", 7860)
    assert settings.retention_days == 7


@pytest.mark.parametrize(("said", "days"), [("never", None), ("Never", None), ("0.5", 0.5), ("30", 30)])
def test_how_long_tasks_are_kept_can_be_set(
    monkeypatch: pytest.MonkeyPatch, said: str, days: float | None
) -> None:
    monkeypatch.setenv("SPACE_ID", "someone/faceswap")
    monkeypatch.setenv("FACESWAP_RETENTION_DAYS", said)
    assert Settings().retention_days == days


@pytest.mark.parametrize("said", ["0", "-1", "a week", " "])
def test_what_is_no_time_to_keep_tasks_is_refused(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv("FACESWAP_RETENTION_DAYS", said)
    with pytest.raises(ValidationError):
        Settings()


def test_a_space_is_limited_as_a_machine_that_strangers_share(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Settings()
    monkeypatch.setenv("SPACE_ID", "someone/faceswap")
    space = Settings()
    for limit in ("max_active", "max_queue", "max_upload_mb", "max_duration_s", "engine_timeout_s"):
        assert 0 < getattr(space, limit) < getattr(own, limit), limit
    assert space.local_workers == 1
    monkeypatch.setenv("FACESWAP_MAX_UPLOAD_MB", "300")
    assert Settings().max_upload_mb == 300


def test_the_environment_is_read_and_arguments_win(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FACESWAP_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("FACESWAP_MAX_ACTIVE", "2")
    monkeypatch.setenv("FACESWAP_CORS_ORIGINS", "https://a.example, https://b.example")
    monkeypatch.setenv("GRADIO_SERVER_PORT", "4000")
    settings = Settings(max_active=3)
    assert (settings.data_dir, settings.max_active, settings.server_port) == (tmp_path, 3, 4000)
    assert settings.cors_origins == ("https://a.example", "https://b.example")


@pytest.mark.parametrize("name", ["RUNPOD_API_KEY", "RUNPOD_TOKEN"])
def test_auto_means_runpod_once_it_is_configured(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "a-secret-key")
    assert Settings().backend_name == "local"
    monkeypatch.setenv("RUNPOD_ENDPOINT_ID", "abc")
    assert Settings().backend_name == "runpod"
    assert Settings(backend="local").backend_name == "local"
    assert "a-secret-key" not in repr(Settings())


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    unset = Settings()
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        names = alias.choices if isinstance(alias, AliasChoices) else [alias or f"FACESWAP_{name.upper()}"]
        for each in names:
            monkeypatch.setenv(str(each), "")
    assert Settings() == unset
    assert Settings().data_dir.is_absolute()
    monkeypatch.setenv("RUNPOD_TOKEN", "a-key")
    assert Settings().runpod_api_key.get_secret_value() == "a-key"


@pytest.mark.parametrize("port", ["0", "70000", "-1", "http"])
def test_what_is_no_port_is_refused(monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    monkeypatch.setenv("GRADIO_SERVER_PORT", port)
    with pytest.raises(ValidationError, match="GRADIO_SERVER_PORT"):
        Settings()


def test_nonsense_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESWAP_MAX_ACTIVE", "many")
    with pytest.raises(ValidationError):
        Settings()


@pytest.mark.parametrize("around", ["\n", " ", "\r\n", '"', "\u201c", "\ufeff"])
def test_what_is_pasted_along_with_a_key_is_no_part_of_it(
    around: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RUNPOD_API_KEY", "RUNPOD_ENDPOINT_ID", "FACESWAP_S3_SECRET_KEY", "FACESWAP_S3_BUCKET"):
        monkeypatch.setenv(name, f"{around}abc{around}")
    settings = Settings()
    assert settings.runpod_api_key.get_secret_value() == settings.s3_secret_key.get_secret_value() == "abc"
    assert settings.runpod_endpoint_id == settings.s3_bucket == "abc"
