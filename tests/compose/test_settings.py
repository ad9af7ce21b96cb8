"""Settings refuse what could not work, and never show the master key."""

import base64

import pytest
from pydantic import ValidationError

from compose.settings import Settings, new_master_key


class TestSettings:
    @pytest.mark.parametrize("key", ["", "not base64!", base64.b64encode(b"short").decode()])
    def test_refuse_a_bad_master_key_without_repeating_it(self, key):
        with pytest.raises(ValidationError) as refused:
            Settings(master_key=key)
        assert key == "" or key not in str(refused.value)

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
        key = new_master_key()
        assert key not in repr(Settings(master_key=key))
