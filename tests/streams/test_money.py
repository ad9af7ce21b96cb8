"""What an amount may look like, and that no cent appears or vanishes on the way."""

import random
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams import iso4217, money
from streams.money import Amount, BadAmount, UnknownAsset


class Payment(msgspec.Struct):
    amount: Amount


class Order(msgspec.Struct):
    total: Amount | None = None
    lines: list[Amount] = []
    extra: Any = None


def reason_of(text: str, exponent: int = 2) -> str:
    with pytest.raises(BadAmount) as caught:
        money.parse_minor(text, exponent)
    return caught.value.reason


def amount_in(number: str) -> Amount:
    return money.decoder(Payment).decode(b'{"amount": %s}' % number.encode()).amount


REASONS = {"taken", "not_a_number", "exponent", "too_many_decimals", "out_of_bounds"}
MALFORMED = [
    "", " ", "-", "+", ".", "-.", "+1", "--1", "1-", "1.", ".5", "-.5", "1..2", "1.2.3", "01",
    "00", "007.50", "-01", "1,5", "1 500", " 1", "1 ", "1\n", "\t1", "1_000", "1'000", "0x10",
    "0b1", "1e", "e5", "1.e5", "NaN", "nan", "-NaN", "sNaN", "Infinity", "-Infinity", "inf",
    "\u0661\u0662", "\uff11\uff12", "\u00b2", "1.\u00b2", "\u00bd", "1\u00a0000", "\u22121",
    "\u0661\u0662.\u0660\u0660", "1.\u0660\u0661", "1.\u00b2\u00b2", "\uff11.00",
    "1\x00", "KES 1", "1.00 KES", "$1", "None", "True", "null", "1/2", "1%",
]  # fmt: skip


class TestParseMinor:
    @pytest.mark.parametrize(
        ("text", "exponent", "minor"),
        [
            ("1500.00", 2, 150000),
            ("1500", 2, 150000),
            ("1500.5", 2, 150050),
            ("0.01", 2, 1),
            ("0", 2, 0),
            ("-0.01", 2, -1),
            ("-1500.00", 2, -150000),
            ("1500", 0, 1500),
            ("1.234", 3, 1234),
            ("0.0001", 4, 1),
            ("0.000000000000000001", 18, 1),
            ("9007199254740993.01", 2, 900719925474099301),
            ("9999999999999999999999999999999999", 18, (10**34 - 1) * 10**18),
            ("99999999999999999999999999999999.99", 2, 10**34 - 1),
            ("-99999999999999999999999999999999.99", 2, -(10**34 - 1)),
        ],
    )
    def test_reads_plain_decimals_exactly(self, text, exponent, minor):
        assert money.parse_minor(text, exponent) == minor

    @pytest.mark.parametrize("text", ["-0", "-0.0", "-0.00", "-0.000"])
    def test_minus_zero_is_zero(self, text):
        assert str(money.parse_minor(text, 2)) == "0"

    @pytest.mark.parametrize(("text", "minor"), [("1500.000", 150000), ("-2.5000000", -250)])
    def test_surplus_decimals_that_are_zero_are_exact_and_taken(self, text, minor):
        assert money.parse_minor(text, 2) == minor

    @pytest.mark.parametrize(
        ("text", "exponent"),
        [("1500.001", 2), ("1500.1000000000001", 2), ("0.29999999999999998", 2), ("0.5", 0),
         ("-0.001", 2), ("1.2345", 3), ("0.0000000000000000001", 18)],
    )  # fmt: skip
    def test_surplus_decimals_are_refused_and_never_rounded(self, text, exponent):
        assert reason_of(text, exponent) == "too_many_decimals"

    @pytest.mark.parametrize("text", MALFORMED)
    @pytest.mark.parametrize("exponent", [0, 2, 18])
    def test_refuses_what_is_not_plain_ascii_decimal(self, text, exponent):
        assert reason_of(text, exponent) == "not_a_number"

    @pytest.mark.parametrize("text", ["1E5", "1e5", "1.5e3", "1E+999999999999", "1e-400", "0e0"])
    def test_refuses_the_exponent_form_without_computing_it(self, text):
        assert reason_of(text) == "exponent"

    @pytest.mark.parametrize(
        "text",
        [
            "1" * 35,
            "-" + "1" * 35,
            "1" * 33 + ".11",
            "0." + "0" * 34,
            "9" * 5000,
            "1." + "0" * 5000,
        ],
    )
    def test_refuses_more_than_34_digits(self, text):
        assert reason_of(text) == "out_of_bounds"

    @given(st.integers(-(10**34) + 1, 10**34 - 1), st.sampled_from(sorted(money._EXPONENTS)))
    def test_reads_back_what_it_writes(self, minor, asset):
        exponent = money.exponent_of(asset)
        text = money.format_minor(minor, exponent)
        if len(text.lstrip("-").replace(".", "")) <= 34:
            assert money.parse_minor(text, exponent) == minor

    @given(st.decimals(-(10**15), 10**15, places=4), st.integers(0, 6))
    @example(Decimal("-0.0000"), 2)
    def test_agrees_with_decimal_arithmetic(self, value, exponent):
        exact = Fraction(value) * 10**exponent
        if exact.denominator == 1:
            assert money.parse_minor(f"{value:f}", exponent) == exact
        else:
            assert reason_of(f"{value:f}", exponent) == "too_many_decimals"

    @given(st.text(max_size=40), st.integers(0, 18))
    def test_takes_or_refuses_any_text_and_never_fails_otherwise(self, text, exponent):
        try:
            minor = money.parse_minor(text, exponent)
        except BadAmount as refused:
            reason = refused.reason
        else:
            reason = "taken"
            assert Fraction(text) * 10**exponent == minor
        assert reason in REASONS


class TestFormatMinor:
    @pytest.mark.parametrize(
        ("minor", "exponent", "text"),
        [(150000, 2, "1500.00"), (0, 2, "0.00"), (5, 2, "0.05"), (-5, 2, "-0.05"), (99, 2, "0.99"),
         (100, 2, "1.00"), (-150050, 2, "-1500.50"), (1500, 0, "1500"), (0, 0, "0"),
         (1, 3, "0.001"), (1, 18, "0.000000000000000001"), (10**60, 2, "1" + "0" * 58 + ".00")],
    )  # fmt: skip
    def test_writes_exactly_the_decimals_of_the_asset(self, minor, exponent, text):
        assert money.format_minor(minor, exponent) == text

    def test_round_trips_every_currency(self):
        seed = random.randrange(2**32)
        print("seed", seed)
        chance = random.Random(seed)
        for _ in range(20_000):
            exponent = chance.choice(list(money._EXPONENTS.values()))
            minor = chance.randrange(-(10**20), 10**20)
            assert money.parse_minor(money.format_minor(minor, exponent), exponent) == minor


class TestJsonNumber:
    def test_is_written_as_a_number_with_all_decimals(self):
        assert msgspec.json.encode({"a": money.json_number(150000, "KES")}) == b'{"a":1500.00}'

    def test_keeps_integers_beyond_64_bits(self):
        wei = 123456789012345678901234567890
        written = msgspec.json.encode({"a": money.json_number(wei, "ETH")})
        assert written == b'{"a":123456789012.345678901234567890}'

    @given(st.integers(-(10**30), 10**30), st.sampled_from(["KES", "UGX", "BHD", "USDC"]))
    def test_is_read_back_unchanged(self, minor, currency):
        raw = msgspec.json.encode({"amount": money.json_number(minor, currency)})
        assert money.decoder(Payment).decode(raw).amount.minor(currency) == minor


class TestDecoder:
    @pytest.mark.parametrize(
        "number",
        ["1500.00", "0.29999999999999998", "9007199254740993.01", "1500.1000000000001", "-0.0",
         "1E5", "1e400", "1E+999999999999", "18446744073709551616",
         "123456789012345678901234567890.12"],
    )  # fmt: skip
    def test_keeps_the_exact_text_of_a_number(self, number):
        assert amount_in(number) == Amount(number)

    def test_reads_a_string_as_its_text(self):
        assert amount_in('"1500.00"').minor("KES") == 150000

    def test_reads_an_integer(self):
        assert amount_in("1500").minor("KES") == 150000

    @pytest.mark.parametrize("number", ["null", "true", "false", "[1]", '{"a": 1}'])
    def test_refuses_other_kinds_with_the_path(self, number):
        with pytest.raises(msgspec.ValidationError, match=r"not_a_number - at `\$\.amount`"):
            amount_in(number)

    @pytest.mark.parametrize(
        "number", ["NaN", "Infinity", "-Infinity", "01", "1.", ".5", "+1", "1_0"]
    )
    def test_refuses_what_is_not_json(self, number):
        with pytest.raises(msgspec.DecodeError):
            amount_in(number)

    @pytest.mark.parametrize("text", ["NaN", "Infinity", "sNaN", "1_000", " 1 ", "١٢"])
    def test_a_string_that_is_no_number_is_refused_when_it_is_used(self, text):
        amount = amount_in(f'"{text}"')
        with pytest.raises(BadAmount, match="not_a_number"):
            amount.minor("KES")

    def test_refuses_an_integer_of_5000_digits(self):
        with pytest.raises(msgspec.ValidationError):
            amount_in("9" * 5000)

    def test_refuses_an_integer_of_4000_digits_when_it_is_used(self):
        with pytest.raises(BadAmount, match="out_of_bounds"):
            amount_in("9" * 4000).minor("KES")

    def test_reads_amounts_in_lists_options_and_untyped_places(self):
        raw = b'{"total": null, "lines": [1, 2.50, "3"], "extra": {"rate": 1.10, "count": 7}}'
        order = money.decoder(Order).decode(raw)
        assert order.total is None
        assert [line.minor("KES") for line in order.lines] == [100, 250, 300]
        assert order.extra == {"rate": Amount("1.10"), "count": 7}

    def test_refuses_a_field_of_another_custom_type(self):
        with pytest.raises(NotImplementedError):
            money.decoder(complex).decode(b"1")


class TestEncoder:
    def test_writes_back_what_was_read(self):
        raw = b'{"total":1500.00,"lines":[0.10,7],"extra":{"rate":1.10}}'
        assert money.ENCODER.encode(money.decoder(Order).decode(raw)) == raw

    def test_never_writes_text_that_is_no_number(self):
        with pytest.raises(BadAmount):
            money.ENCODER.encode(Payment(Amount('1,"paid":true')))

    def test_refuses_other_types(self):
        with pytest.raises(NotImplementedError):
            money.ENCODER.encode(object())


class TestAmount:
    def test_shows_and_compares_its_text(self):
        assert repr(Amount("1.00")) == "Amount('1.00')"
        assert len({Amount("1.00"), Amount("1.00"), Amount("1.0")}) == 2
        assert Amount("1") != "1"

    def test_needs_a_known_currency(self):
        with pytest.raises(UnknownAsset):
            Amount("1").minor("KSH")


class TestExponentOf:
    @pytest.mark.parametrize(
        ("codes", "exponent"),
        [
            ("KES TZS ETB NGN USD EUR MRU MGA ZWG XCG XAD SLE", 2),
            ("UGX RWF BIF DJF KMF XAF XOF JPY KRW VND CLP ISK UYI", 0),
            ("BHD KWD OMR JOD TND IQD LYD", 3),
            ("CLF UYW", 4),
            ("USDC USDT", 6),
            ("ETH POL MATIC", 18),
        ],
    )
    def test_knows_the_decimals(self, codes, exponent):
        assert {code: money.exponent_of(code) for code in codes.split()} == dict.fromkeys(
            codes.split(), exponent
        )

    @pytest.mark.parametrize("code", ["", "kes", "KSH", "XAU", "XXX", "BGN", "ZWL", "ANG", "HRK"])
    def test_refuses_unknown_withdrawn_and_unitless_codes(self, code):
        with pytest.raises(UnknownAsset):
            money.exponent_of(code)

    @pytest.mark.parametrize("code", [None, 404, ["KES"]])
    def test_refuses_what_is_not_a_code(self, code):
        with pytest.raises(UnknownAsset):
            money.exponent_of(code)


class TestIso4217:
    def test_is_the_whole_dated_list(self):
        assert date(2026, 1, 1) == iso4217.PUBLISHED
        assert len(iso4217.EXPONENTS) + len(iso4217.WITHOUT_MINOR_UNIT) == 178

    def test_codes_are_three_letters_and_in_one_place(self):
        codes = [*iso4217.EXPONENTS, *iso4217.WITHOUT_MINOR_UNIT, *money.TOKENS]
        assert len(set(codes)) == len(codes)
        assert all(len(c) == 3 and c.isascii() and c.isupper() for c in iso4217.EXPONENTS)


class TestSplit:
    @pytest.mark.parametrize(
        ("total", "weights", "parts"),
        [
            (100, [1, 1, 1], [34, 33, 33]),
            (-100, [1, 1, 1], [-34, -33, -33]),
            (101, [1, 1, 1], [34, 34, 33]),
            (5, [0, 1], [0, 5]),
            (0, [3, 4], [0, 0]),
            (1, [1, 2], [0, 1]),
            (10, [Fraction(1, 3), Fraction(2, 3)], [3, 7]),
            (7, [5], [7]),
        ],
    )
    def test_gives_the_rest_to_the_largest_fractions(self, total, weights, parts):
        assert money.split(total, weights) == parts

    @pytest.mark.parametrize("weights", [[], [0], [0, 0], [-1, 2], [1, -1]])
    def test_refuses_weights_that_say_nothing(self, weights):
        with pytest.raises(ValueError, match="weights"):
            money.split(100, weights)

    @given(
        st.integers(-(10**40), 10**40),
        st.lists(st.integers(0, 10**20) | st.fractions(0, 1000), min_size=1, max_size=20).filter(
            any
        ),
    )
    def test_sums_exactly_within_one_unit_of_each_share_and_mirrors(self, total, weights):
        parts = money.split(total, weights)
        assert sum(parts) == total
        whole = sum(map(Fraction, weights))
        for part, weight in zip(parts, weights, strict=True):
            assert abs(part - Fraction(total) * Fraction(weight) / whole) < 1
        assert money.split(-total, weights) == [-part for part in parts]
        assert all(type(part) is int for part in parts)

    @given(st.integers(0, 10**9), st.lists(st.integers(1, 9), min_size=1, max_size=8, unique=True))
    def test_unequal_weights_get_the_same_part_in_any_order(self, total, weights):
        parts = dict(zip(weights, money.split(total, weights), strict=True))
        fractions = {w: Fraction(total * w, sum(weights)) % 1 for w in weights}
        if len(set(fractions.values())) == len(weights):
            turned = weights[::-1]
            assert money.split(total, turned) == [parts[weight] for weight in turned]


class TestRounding:
    @pytest.mark.parametrize(
        ("numerator", "denominator", "rounded"),
        [(1, 2, 1), (3, 2, 2), (5, 2, 3), (-1, 2, -1), (-3, 2, -2), (-5, 2, -3), (1, 3, 0),
         (2, 3, 1), (-2, 3, -1), (0, 7, 0), (14, 7, 2)],
    )  # fmt: skip
    def test_ties_go_away_from_zero(self, numerator, denominator, rounded):
        assert money.half_up(numerator, denominator) == rounded

    @given(st.integers(-(10**50), 10**50), st.integers(1, 10**30))
    def test_half_up_is_nearest_and_mirrors(self, numerator, denominator):
        rounded = money.half_up(numerator, denominator)
        assert abs(rounded - Fraction(numerator, denominator)) <= Fraction(1, 2)
        assert money.half_up(-numerator, denominator) == -rounded


class TestTax:
    @pytest.mark.parametrize(
        ("gross", "rate", "net_and_tax"),
        [
            (150000, (16, 100), (129310, 20690)),
            (11600, (16, 100), (10000, 1600)),
            (11600, Fraction(4, 25), (10000, 1600)),
            (-11600, (16, 100), (-10000, -1600)),
            (100, (0, 100), (100, 0)),
            (1, (1, 1), (0, 1)),
        ],
    )
    def test_takes_the_tax_out_of_the_gross_rounding_once(self, gross, rate, net_and_tax):
        assert money.tax_inclusive(gross, rate) == net_and_tax

    @given(st.integers(-(10**20), 10**20), st.fractions(0, 3))
    def test_net_and_tax_are_the_gross(self, gross, rate):
        net, tax = money.tax_inclusive(gross, rate)
        assert net + tax == gross
        assert abs(tax - gross * rate / (1 + rate)) <= Fraction(1, 2)

    @pytest.mark.parametrize("rate", [(-1, 100), (16, 0), (16, -100), Fraction(-1, 2)])
    def test_refuses_a_rate_below_zero(self, rate):
        with pytest.raises(ValueError, match="rate"):
            money.tax_inclusive(100, rate)
