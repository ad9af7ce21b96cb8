import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.callback_tokens import call_of, token_of

KEY, OLD, OTHER = b"k" * 32, b"o" * 32, b"x" * 32
names = st.text("abcXYZ019_-", min_size=1, max_size=20)


class TestTokens:
    def test_of_a_tenant_name_no_call(self):
        assert call_of([KEY], "mpesa", "alpha", token_of(KEY, "mpesa", "alpha")) == ""

    def test_of_a_call_name_it(self):
        token = token_of(KEY, "mpesa", "alpha", "call-1")
        assert call_of([KEY], "mpesa", "alpha", token) == "call-1"

    def test_of_a_key_before_are_good_as_long_as_it_is(self):
        token = token_of(OLD, "mpesa", "alpha", "call-1")
        assert call_of([KEY, OLD], "mpesa", "alpha", token) == "call-1"
        assert call_of([KEY], "mpesa", "alpha", token) is None

    @given(names, names, names, st.tuples(names, names, names))
    def test_are_good_for_one_address_alone(self, gateway, tenant, call, others):
        token = token_of(KEY, gateway, tenant, call)
        assert call_of([KEY], gateway, tenant, token) == call
        for address in ((others[0], tenant), (gateway, others[1])):
            if address != (gateway, tenant):
                assert call_of([KEY], *address, token) is None
        if others[2] != call:
            assert call_of([KEY], gateway, tenant, token.replace(call, others[2], 1)) is None

    def test_of_a_call_are_none_of_the_tenant(self):
        mac = token_of(KEY, "mpesa", "alpha", "call-1").partition(".")[2]
        assert call_of([KEY], "mpesa", "alpha", mac) is None

    def test_do_not_run_into_each_other(self):
        assert token_of(KEY, "a", "bc") != token_of(KEY, "ab", "c")

    @given(st.text(max_size=80))
    def test_of_any_text_are_none(self, token):
        assert call_of([KEY, OTHER], "mpesa", "alpha", token) is None

    def test_need_no_escaping_and_hold_no_word_that_a_provider_refuses(self):
        assert set(token_of(KEY, "mpesa", "alpha")) <= set("0123456789abcdef")

    def test_need_a_key(self):
        with pytest.raises(ValueError, match="32 bytes"):
            token_of(b"short", "mpesa", "alpha")
