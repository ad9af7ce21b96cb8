"""Instants: what RFC 3339 text means in milliseconds, and on which day it falls where."""

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.timestamps import BadTimestamp, UnknownTimeZone, format_ms, local_date, parse_ms

GUIDE_MS = 1_733_394_600_000
LAST_MS = 7_289_654_399_999
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
INSTANTS = st.datetimes(datetime(1971, 1, 1), datetime(2199, 12, 30))  # noqa: DTZ001  given zones below
OFFSETS = st.integers(-(23 * 60 + 59), 23 * 60 + 59)


def reason_of(text: str) -> str:
    with pytest.raises(BadTimestamp) as caught:
        parse_ms(text)
    return caught.value.reason


class TestParse:
    @pytest.mark.parametrize(
        ("text", "ms"),
        [
            ("2024-12-05T10:30:00Z", GUIDE_MS),
            ("2024-12-05t10:30:00z", GUIDE_MS),
            ("2024-12-05T13:30:00+03:00", GUIDE_MS),
            ("2024-12-05T05:00:00-05:30", GUIDE_MS),
            ("2024-12-05T10:30:00+00:00", GUIDE_MS),
            ("2024-12-05T10:30:00-00:00", GUIDE_MS),
            ("2024-12-05T10:30:59Z", GUIDE_MS + 59_000),
            ("2024-12-05T10:30:00.1Z", GUIDE_MS + 100),
            ("2024-12-05T10:30:00.123Z", GUIDE_MS + 123),
            ("2024-12-05T10:30:00.1239Z", GUIDE_MS + 123),
            ("2024-12-05T10:30:00.999999999Z", GUIDE_MS + 999),
            ("2024-12-05T13:30:00.000000001+03:00", GUIDE_MS),
            ("1970-01-01T00:00:00Z", 0),
            ("2024-02-29T00:00:00Z", 1_709_164_800_000),
            ("2200-12-31T23:59:59.999Z", LAST_MS),
        ],
    )
    def test_reads_an_instant_to_the_millisecond(self, text, ms):
        assert parse_ms(text) == ms

    @pytest.mark.parametrize(
        "text",
        ["", "2024-12-05", "2024-12-05T10:30Z", "2024-12-05 10:30:00Z", "20241205T103000Z",
         "2024-W49-4T10:30:00Z", "24-12-05T10:30:00Z", "2024-12-05T10:30:00 Z", "1733394600",
         " 2024-12-05T10:30:00Z", "2024-12-05T10:30:00Z ", "2024-12-05T10:30:00Z\n",
         "2024-12-05T10:30:00.Z", "2024-12-05T10:30:00.1234567890Z", "2024-12-05T10:30:00,5Z",
         "2024-12-05T24:00:00Z", "2024-12-05T10:60:00Z", "2024-12-05T10:30:61Z",
         "2024-13-05T10:30:00Z", "2024-12-32T10:30:00Z", "2024-00-05T10:30:00Z",
         "2024-12-05T10:30:00+0300", "2024-12-05T10:30:00+03", "2024-12-05T10:30:00+24:00",
         "2024-12-05T10:30:00UTC", "2024-12-05T10:30:00ZZ", "-024-12-05T10:30:00Z",
         "\u0662024-12-05T10:30:00Z", "2024-12-05T10:30:0\uff10Z", "2024-12-05T10:30:-1Z"],
    )  # fmt: skip
    def test_refuses_what_is_not_rfc_3339(self, text):
        assert reason_of(text) == "not_rfc3339"

    @pytest.mark.parametrize("text", ["2024-12-05T10:30:00", "2024-12-05T10:30:00.5"])
    def test_refuses_a_time_without_offset(self, text):
        assert reason_of(text) == "without_offset"

    @pytest.mark.parametrize("day", ["2023-02-29", "2100-02-29", "2024-04-31", "2024-02-30"])
    def test_refuses_a_day_that_no_month_has(self, day):
        assert reason_of(f"{day}T00:00:00Z") == "no_such_day"

    @pytest.mark.parametrize(
        "text",
        ["0000-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "1970-01-01T00:59:59+01:00",
         "2201-01-01T00:00:00Z", "2200-12-31T23:30:00-01:00", "9999-12-31T23:59:59Z"],
    )  # fmt: skip
    def test_refuses_years_outside_1970_to_2200(self, text):
        assert reason_of(text) == "out_of_bounds"

    @pytest.mark.parametrize(
        ("text", "same_as"),
        [
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999Z"),
            ("2016-12-31T23:59:60.5Z", "2016-12-31T23:59:59.999Z"),
            ("2017-01-01T02:59:60+03:00", "2016-12-31T23:59:59.999Z"),
            ("2015-06-30T23:59:60Z", "2015-06-30T23:59:59.999Z"),
        ],
    )
    def test_a_leap_second_stays_on_its_day(self, text, same_as):
        assert parse_ms(text) == parse_ms(same_as)

    @pytest.mark.parametrize(
        "text",
        ["2024-12-05T10:30:60Z", "2016-12-30T23:59:60Z", "2016-12-31T22:59:60Z",
         "2016-12-31T23:59:60+03:00", "1970-01-01T00:59:60+01:00", "2200-12-31T23:59:60-01:00"],
    )  # fmt: skip
    def test_refuses_a_leap_second_at_any_other_time(self, text):
        assert reason_of(text) == "not_a_leap_second"

    @given(INSTANTS, OFFSETS)
    def test_agrees_with_datetime_in_any_offset(self, naive, offset_minutes):
        moment = naive.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
        assert parse_ms(moment.isoformat()) == (moment - EPOCH) // timedelta(milliseconds=1)

    @given(st.text("0123456789-:TZ.+ ", max_size=30) | st.text(max_size=30))
    def test_takes_or_refuses_any_text_and_never_fails_otherwise(self, text):
        try:
            ms = parse_ms(text)
        except BadTimestamp:
            ms = 0
        assert 0 <= ms <= LAST_MS


class TestFormat:
    @pytest.mark.parametrize(
        ("ms", "text"),
        [
            (0, "1970-01-01T00:00:00Z"),
            (GUIDE_MS, "2024-12-05T10:30:00Z"),
            (GUIDE_MS + 7, "2024-12-05T10:30:00.007Z"),
            (GUIDE_MS + 59_120, "2024-12-05T10:30:59.120Z"),
            (LAST_MS, "2200-12-31T23:59:59.999Z"),
        ],
    )
    def test_writes_utc_and_omits_zero_milliseconds(self, ms, text):
        assert format_ms(ms) == text

    @given(st.integers(0, LAST_MS))
    def test_is_read_back_unchanged(self, ms):
        assert parse_ms(format_ms(ms)) == ms


class TestLocalDate:
    @pytest.mark.parametrize(
        ("text", "zone", "day"),
        [
            ("2024-12-05T20:59:59.999Z", "Africa/Nairobi", date(2024, 12, 5)),
            ("2024-12-05T21:00:00Z", "Africa/Nairobi", date(2024, 12, 6)),
            ("2024-12-05T21:00:00Z", "UTC", date(2024, 12, 5)),
            ("2024-12-31T22:00:00Z", "Africa/Kampala", date(2025, 1, 1)),
            ("2024-03-31T22:30:00Z", "Europe/Berlin", date(2024, 4, 1)),
            ("2024-01-31T22:30:00Z", "Europe/Berlin", date(2024, 1, 31)),
            ("2024-12-05T18:14:59Z", "Asia/Kathmandu", date(2024, 12, 5)),
            ("2024-12-05T18:15:00Z", "Asia/Kathmandu", date(2024, 12, 6)),
            ("1971-06-01T00:44:29.999Z", "Africa/Monrovia", date(1971, 5, 31)),
            ("1971-06-01T00:44:30Z", "Africa/Monrovia", date(1971, 6, 1)),
        ],
    )
    def test_is_the_day_on_the_wall_there(self, text, zone, day):
        assert local_date(parse_ms(text), zone) == day

    @pytest.mark.parametrize(
        "name",
        ["", "Nairobi", "africa/nairobi", "../UTC", "/etc/localtime", "Africa", "zones", "\0"],
    )
    def test_refuses_names_that_are_no_time_zone(self, name):
        with pytest.raises(UnknownTimeZone):
            local_date(0, name)

    @given(st.integers(0, LAST_MS), st.sampled_from(["Africa/Nairobi", "America/New_York", "UTC"]))
    def test_agrees_with_zoneinfo(self, ms, zone):
        there = (EPOCH + timedelta(milliseconds=ms)).astimezone(ZoneInfo(zone))
        assert local_date(ms, zone) == there.date()
