"""Ethereum's words: what is taken, what is refused, what people are shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.chain import words
from connectors.chain.config import Asset, Config
from connectors.reading import Unfit

# external-apis.md, section 6; the rest of EIP-55's own test cases
CHECKSUMMED = [
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0xde709f2102306220921060314715629080e2fb77",
]
MIXED = CHECKSUMMED[0]
SETTINGS = {
    "rpc_url": "https://node.example/v2/key-1",
    "chain_id": "137",
    "wallets": MIXED,
    "tokens": "USDC:0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359:6",
}


def reason_of(call, *values) -> str:
    with pytest.raises(Unfit) as caught:
        call(*values)
    return caught.value.reason


class TestAddresses:
    @pytest.mark.parametrize("text", CHECKSUMMED)
    def test_are_shown_with_their_checksum(self, text):
        assert words.checksummed(text.lower()) == text
        assert words.address(text) == text.lower()

    def test_in_one_case_are_taken_unchecked(self):
        digits = MIXED[2:]
        for text in (f"0x{digits.lower()}", f"0x{digits.upper()}"):
            assert words.address(text) == MIXED.lower()

    def test_in_mixed_case_with_one_letter_wrong_are_refused(self):
        assert reason_of(words.address, MIXED.replace("aA", "aa", 1)) == "wrong_checksum"

    @given(st.binary(min_size=20, max_size=20), st.data())
    def test_bear_one_checksum_only(self, raw, data):
        right = words.checksummed(f"0x{raw.hex()}")
        letters = [at for at, each in enumerate(right) if at > 1 and each.isalpha()]
        if not letters:
            return
        at = data.draw(st.sampled_from(letters))
        wrong = right[:at] + right[at].swapcase() + right[at + 1 :]
        if wrong[2:] in {wrong[2:].lower(), wrong[2:].upper()}:
            return
        assert reason_of(words.address, wrong) == "wrong_checksum"

    @pytest.mark.parametrize(
        "text",
        ["", "0x", MIXED[2:], MIXED[:-1], f"{MIXED}0", f"0X{MIXED[2:]}", f" {MIXED}", f"{MIXED}\n",
         "0x" + "g" * 40, "0x" + "\u0661" * 40, None, 5],
    )  # fmt: skip
    def test_of_another_form_are_refused(self, text):
        assert reason_of(words.address, text) == "not_an_address"

    def test_in_a_word_with_more_than_an_address_are_refused(self):
        word = bytes(12) + bytes.fromhex(MIXED[2:])
        assert words.address_of_word(word) == MIXED.lower()
        assert reason_of(words.address_of_word, b"\x01" + word[1:]) == "not_an_address"
        assert reason_of(words.address_of_word, word[1:]) == "not_an_address"


class TestHex:
    @pytest.mark.parametrize(("text", "value"), [("0x0", 0), ("0x41", 65), ("0xFF", 255)])
    def test_quantities_are_integers(self, text, value):
        assert words.number(text) == value

    @pytest.mark.parametrize("text", ["0x", "0x00", "0x0400", "41", "-0x1", "0xg", "0X1", " 0x1",
                                      "0x1\n", "0x" + "1" * 65, None, 1, True])  # fmt: skip
    def test_quantities_of_another_form_are_refused(self, text):
        assert reason_of(words.number, text) == "not_a_quantity"

    @given(st.integers(0, 2**256 - 1))
    def test_quantities_come_back(self, value):
        assert words.number(words.quantity(value)) == value

    def test_no_quantity_is_below_zero(self):
        assert reason_of(words.quantity, -1) == "below_zero"

    @pytest.mark.parametrize("text", ["0x0", "0x123", "12", "0xgg", "0x 12", None])
    def test_data_of_odd_length_or_other_form_are_refused(self, text):
        assert reason_of(words.octets, text) == "not_data"

    def test_data_of_another_length_than_is_due_are_refused(self):
        assert words.octets("0x") == b""
        assert words.octets("0x0102", 2) == b"\x01\x02"
        assert reason_of(words.octets, "0x01", 2) == "wrong_length"

    def test_keccak_is_not_sha3(self):
        # external-apis.md, section 6
        digest = words.hash_of(b"")
        assert digest.startswith("0xc5d24601")
        assert digest.endswith("85a470")


class TestUnits:
    def test_a_token_of_six_decimals_is_not_read_as_one_of_eighteen(self):
        """A32."""
        assert Asset("USDC", 6, "0x01").text(1_500_000) == "1.500000"
        assert Asset("USDC", 6, "0x01").minor("1.5") == 1_500_000
        assert Asset("ETH", 18).minor("1.5") == 1_500_000_000_000_000_000

    def test_of_a_configuration_are_those_of_our_table(self):
        config = Config.read(SETTINGS)
        assert config.native == Asset("POL", 18)
        assert [(each.name, each.decimals) for each in config.tokens] == [("USDC", 6)]


class TestRequests:
    """EIP-681, as external-apis.md, section 6 has it."""

    def test_of_the_chains_own_currency_name_payee_and_wei(self):
        assert words.payment_request(MIXED.lower(), 137, 10**18) == (
            f"ethereum:{MIXED}@137?value=1000000000000000000"
        )

    def test_of_a_token_name_its_contract_and_then_the_payee(self):
        token = CHECKSUMMED[1]
        assert words.payment_request(MIXED, 1, 1_500_000, token) == (
            f"ethereum:{token}@1/transfer?address={MIXED}&uint256=1500000"
        )

    @pytest.mark.parametrize("amount", [0, -1])
    def test_of_nothing_are_refused(self, amount):
        assert reason_of(words.payment_request, MIXED, 1, amount) == "amount_not_positive"


class TestConfiguration:
    def test_hides_what_is_sealed(self):
        config = Config.read({**SETTINGS, "private_key": "0x" + "11" * 32})
        assert "key-1" not in repr(config)
        assert "1111" not in repr(config)

    def test_has_a_depth_of_its_chain_and_takes_another(self):
        assert Config.read(SETTINGS).confirmations == 256
        assert Config.read({**SETTINGS, "confirmations": "12"}).confirmations == 12

    @pytest.mark.parametrize(
        ("member", "value"),
        [
            ("rpc_url", ""),
            ("rpc_url", "ftp://node.example"),
            ("chain_id", ""),
            ("chain_id", "138"),
            ("wallets", MIXED.replace("aA", "aa", 1)),
            ("tokens", f"USDC:{MIXED}:18"),
            ("tokens", f"USDC:{MIXED}"),
            ("tokens", f"DOGE:{MIXED}:8"),
            ("tokens", "USDC:0x1:6"),
            ("tokens", f"USDC:{MIXED}:6,USDT:{MIXED}:6"),
            ("confirmations", "0"),
            ("confirmations", "-1"),
            ("native", "maybe"),
        ],
    )
    def test_that_cannot_be_is_refused(self, member, value):
        with pytest.raises(ValueError, match=member):
            Config.read({**SETTINGS, member: value})
