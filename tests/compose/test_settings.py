"""Settings refuse what could not work, and never show the master key."""

import base64

import pytest
from pydantic import ValidationError

from compose.settings import Settings, new_master_key
from connectors.notifications.translate import TOLD
from streams.errors import Misconfigured


class TestSettings:
    @pytest.mark.parametrize("key", ["not base64!", base64.b64encode(b"short").decode()])
    @pytest.mark.parametrize("name", ["master_key", "old_master_keys"])
    def test_refuse_a_bad_master_key_without_repeating_it(self, name, key):
        with pytest.raises(ValidationError) as refused:
            Settings(**{name: f"{new_master_key()},{key}" if name == "old_master_keys" else key})
        assert key not in str(refused.value)

    def test_work_with_one_master_key_only(self):
        for key in ("", f"{new_master_key()},{new_master_key()}"):
            with pytest.raises(Misconfigured, match="TREASURY_MASTER_KEY_FILE"):
                Settings(master_key=key).derived_key("inbound")

    def test_read_keys_and_the_dsn_from_files_but_believe_the_environment_first(self, tmp_path):
        new, old, other = new_master_key(), new_master_key(), new_master_key()
        (tmp_path / "new").write_text(f"{new}\n")
        (tmp_path / "old").write_text(f"{old}\n")
        (tmp_path / "dsn").write_text("postgresql://owner:x@127.0.0.1:1/elsewhere\n")
        settings = Settings(
            master_key_file=tmp_path / "new",
            old_master_keys_file=tmp_path / "old",
            postgres_dsn_file=tmp_path / "dsn",
        )
        assert settings.derived_keys("x") == [
            Settings(master_key=key).derived_key("x") for key in (new, old)
        ]
        assert settings.owner_dsn.endswith("/elsewhere")
        both = Settings(master_key=other, master_key_file=tmp_path / "new")
        assert both.derived_key("x") == Settings(master_key=other).derived_key("x")

    def test_refuse_a_file_that_is_not_there(self, tmp_path):
        with pytest.raises(Misconfigured, match="cannot be read: FileNotFoundError"):
            Settings(master_key_file=tmp_path / "nowhere")

    def test_read_a_password_again_each_time(self, tmp_path):
        (tmp_path / "app").write_text("one")
        settings = Settings(master_key=new_master_key(), app_password_file=tmp_path / "app")
        assert settings.password("treasury_app") == "one"
        (tmp_path / "app").write_text("two\n")
        assert settings.password("treasury_app") == "two"
        assert "two" in settings.app_dsn
        assert settings.password("treasury_archiver") not in {"one", "two"}

    def test_seal_under_the_current_key_and_open_under_all(self):
        old = new_master_key()
        settings = Settings(master_key=new_master_key(), old_master_keys=f" {old} ,")
        assert Settings(master_key=old).keyring.current_id in settings.keyring.ids
        assert settings.keyring.current_id != Settings(master_key=old).keyring.current_id

    def test_derive_another_key_for_every_purpose(self):
        settings = Settings(master_key=new_master_key())
        assert settings.derived_key("inbound") != settings.derived_key("cursor")
        assert settings.derived_key("inbound") == settings.derived_key("inbound")
        assert len(settings.derived_key("inbound")) == 32

    def test_log_in_under_names_of_their_own(self):
        settings = Settings(
            master_key=new_master_key(), postgres_dsn="postgresql://owner:x@127.0.0.1:1/treasury"
        )
        assert settings.app_dsn.startswith("postgresql://treasury_app:")
        assert settings.archiver_dsn.startswith("postgresql://treasury_archiver:")
        assert settings.app_dsn.endswith("@127.0.0.1:1/treasury")

    def test_do_not_print_the_master_key(self):
        key, old = new_master_key(), new_master_key()
        settings = Settings(master_key=key, old_master_keys=old, app_password="canary")
        assert key not in repr(settings)
        assert old not in repr(settings)
        assert "canary" not in repr(settings)


class TestNotifications:
    def test_are_read_from_json_or_a_file_and_never_shown(self, tmp_path):
        text = '{"base_url": "https://x.example", "api_key": "canary"}'
        (tmp_path / "notifications").write_text(text)
        for given in ({"notifications": text}, {"notifications_file": tmp_path / "notifications"}):
            settings = Settings(**given)
            assert settings.notification_settings["api_key"] == "canary"
            assert settings.message_types == TOLD
            assert "canary" not in repr(settings)

    def test_say_which_events_are_left_to_others(self):
        text = '{"base_url": "https://x.example", "types": "treasury.invoice.due, "}'
        assert Settings(notifications=text).message_types == {"treasury.invoice.due"}

    def test_are_nobodys_where_nothing_is_said(self):
        assert Settings().notification_settings == Settings(notifications="").notification_settings
        assert Settings().notification_settings == {}

    @pytest.mark.parametrize(
        "text",
        [
            "canary",
            '{"canary": "canary"}',
            '{"base_url": "http://canary.example"}',
            '{"api_key": "canary"}',
            '{"base_url": "https://x.example", "types": "canary"}',
        ],
    )
    def test_that_are_none_are_refused(self, text):
        with pytest.raises(ValidationError) as refused:
            Settings(notifications=text)
        assert "canary" not in str(refused.value)


class TestGateways:
    def test_are_read_from_json_or_a_file_and_never_shown(self, tmp_path):
        text = '{"mpesa": {"base_url": "https://x.example", "passkey": "canary"}}'
        (tmp_path / "gateways").write_text(text)
        for given in ({"gateways": text}, {"gateways_file": tmp_path / "gateways"}):
            settings = Settings(**given)
            assert settings.gateway_settings["mpesa"]["passkey"] == "canary"
            assert "canary" not in repr(settings)

    def test_are_none_where_nothing_is_said(self):
        assert Settings().gateway_settings == Settings(gateways="").gateway_settings == {}

    @pytest.mark.parametrize(
        "text", ["canary", '{"mpesa": "canary"}', '{"mpesa": {"canary": 1}}', '{"canary": {}}']
    )
    def test_that_are_none_are_refused(self, text):
        with pytest.raises(ValidationError) as refused:
            Settings(gateways=text)
        if text != '{"canary": {}}':  # a gateway's name is no secret
            assert "canary" not in str(refused.value)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"callback_networks": {"nobody": "127.0.0.0/8"}},
            {"callback_networks": {"mpesa": "here"}},
            {"trusted_proxies": "here"},
        ],
    )
    def test_are_called_back_from_networks_that_are_some(self, wrong):
        with pytest.raises(ValidationError):
            Settings(**wrong)

    def test_may_be_banks_and_sister_services(self):
        assert Settings(callback_networks={"services": "10.0.0.0/8"})

    def test_reach_us_at_the_public_address_else_our_own(self):
        assert Settings(port=81).public_base == "http://127.0.0.1:81"
        assert Settings(callback_url="https://pay.example/").public_base == "https://pay.example"
