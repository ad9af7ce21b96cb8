"""Telephones, times and shillings as M-Pesa has them."""

import os
import time
from datetime import UTC, datetime

import pytest

from connectors.mpesa.words import (
    moment_of,
    password,
    phone_of,
    shillings,
    timestamp,
)
from connectors.reading import Unfit

AT = datetime(2026, 3, 1, 6, 30, 5, tzinfo=UTC)


class TestTimes:
    def test_the_password_is_that_of_the_known_vector(self):
        wanted = "NjAwOTk5dGVzdHBhc3NrZXkwMDAxMjAyNjAzMDEwOTMwMDU="
        assert password("600999", "testpasskey0001", timestamp(AT)) == wanted

    @pytest.mark.parametrize("zone", ["America/New_York", "UTC", "Africa/Nairobi"])
    def test_are_east_africas_wherever_the_machine_stands(self, monkeypatch, zone):
        monkeypatch.setitem(os.environ, "TZ", zone)
        time.tzset()
        try:
            assert timestamp(AT) == "20260301093005"
        finally:
            monkeypatch.undo()
            time.tzset()

    def test_come_back_as_the_same_instant(self):
        assert moment_of(timestamp(AT)) == AT

    @pytest.mark.parametrize(
        "digits", ["", "2026030109305", "20261301093005", "2026030109300x", "٢" * 14]
    )
    def test_that_are_none_are_none(self, digits):
        assert moment_of(digits) is None


class TestPhones:
    @pytest.mark.parametrize(
        "text",
        [
            "0708374149",
            "+254708374149",
            "254708374149",
            "708374149",
            " 0708 374-149 ",
            "+254 (708) 374 149",
        ],
    )
    def test_are_taken_in_every_spelling(self, text):
        assert phone_of(text) == "254708374149"

    @pytest.mark.parametrize("text", ["0110123456", "+254110123456", "254791234567"])
    def test_are_taken_with_any_operators_prefix(self, text):
        assert phone_of(text).startswith("254")

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "07083741",
            "2540708374149",
            "254208374149",
            "+255708374149",
            "0708374149a",
            "٠٧٠٨٣٧٤١٤٩",
        ],
    )
    def test_that_are_none_of_kenyas_mobiles_are_refused(self, text):
        with pytest.raises(Unfit) as refused:
            phone_of(text)
        assert refused.value.reason == "phone_unfit"


class TestShillings:
    @pytest.mark.parametrize(
        ("minor", "whole"), [(100, 1), (150_000, 1_500), (25_000_000, 250_000)]
    )
    def test_are_whole(self, minor, whole):
        assert shillings(minor) == whole

    @pytest.mark.parametrize(
        ("minor", "reason"),
        [
            (1_050, "whole_shillings_only"),
            (1, "whole_shillings_only"),
            (0, "amount_out_of_bounds"),
            (-100, "amount_out_of_bounds"),
            (25_000_100, "amount_out_of_bounds"),
        ],
    )
    def test_that_are_none_or_too_many_are_refused_and_never_rounded(self, minor, reason):
        with pytest.raises(Unfit) as refused:
            shillings(minor)
        assert refused.value.reason == reason
