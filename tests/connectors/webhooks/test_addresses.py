"""No tenant makes us connect to the inside, whatever its URL is dressed as."""

import ipaddress
import socket

import pytest
from aiohttp.abc import AbstractResolver

from connectors.webhooks.addresses import (
    AddressRefused,
    PublicResolver,
    check_url,
    is_permitted,
    read_networks,
)

LOOPBACK = read_networks("127.0.0.0/8")

# field-notes.md 5.6
REFUSED = [
    "http://example.com/hook",
    "file:///etc/passwd",
    "gopher://example.com/",
    "ftp://example.com/",
    "//example.com/hook",
    "example.com/hook",
    "https://",
    "https:///hook",
    "https://user@example.com/",
    "https://user:password@example.com/",
    "https://example.com/#fragment",
    "https://example.com:22/",
    "https://example.com:25/",
    "https://example.com:0/",
    "https://example.com:99999/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://0/",
    "https://0.0.0.0/",
    "https://10.1.2.3/",
    "https://172.16.0.1/",
    "https://192.168.1.1/",
    "https://169.254.169.254/latest/meta-data",
    "https://100.64.0.1/",
    "https://192.0.0.1/",
    "https://198.18.0.1/",
    "https://224.0.0.1/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    "https://0xA9FEA9FE/",
    "https://2852039166/",
    "https://0251.0376.0251.0376/",
    "https://169.254.43518/",
    "https://example.0x1/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:169.254.169.254]/",
    "https://[::ffff:7f00:1]/",
    "https://[::7f00:1]/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://[64:ff9b:1::a9fe:a9fe]/",
    "https://[2002:7f00:0001::]/",
    "https://[fd00::1]/",
    "https://[fe80::1]/",
    "https://[ff02::1]/",
    "https://localhost/",
    "https://kafka/",
    "https://example.com./",
    "https://metadata.google.internal./",
    "https://exa mple.com/",
    "https://example.com\\@127.0.0.1/",
    "https://ex%61mple_.com/",
    "https://bücher.example/",
    "https://１２７.0.0.1/",
    "https://-example.com/",
]


class TestAUrl:
    @pytest.mark.parametrize(
        "url", [*REFUSED, "https://example.com/" + "x" * 2_048, "\thttps://a.b"]
    )
    def test_that_leads_inside_or_nowhere_is_refused(self, url):
        with pytest.raises(AddressRefused):
            check_url(url)

    @pytest.mark.parametrize(
        "url",
        [
            "https://example.com",
            "https://example.com/hooks/treasury?tenant=a&x=%2F",
            "https://hooks.example.co.ke:8443/",
            "https://xn--bcher-kva.example/",
            "https://8.8.8.8/",
            "https://[2001:4860:4860::8888]/hook",
            "https://[::ffff:8.8.8.8]/",
        ],
    )
    def test_that_is_public_is_taken(self, url):
        assert check_url(url)

    def test_of_a_network_of_our_own_is_taken_where_that_is_allowed(self):
        assert check_url("http://127.0.0.1:8081/hook", LOOPBACK)
        for url in ("http://localhost:8081/", "http://10.0.0.1:8081/", "http://127.0.0.1:22/"):
            with pytest.raises(AddressRefused):
                check_url(url, LOOPBACK)


class Names(AbstractResolver):
    """A name server: each name has a list of answers, given in turn."""

    def __init__(self, **names):
        self._names = {name.replace("_", "."): answers for name, answers in names.items()}

    async def resolve(self, host, port=0, family=socket.AF_INET):
        if host not in self._names:
            raise OSError(socket.EAI_NONAME, "no such name")
        answers = self._names[host]
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            {"hostname": host, "host": each, "port": port, "family": family, "proto": 0, "flags": 0}
            for each in addresses
        ]

    async def close(self):
        pass


class TestAName:
    @pytest.mark.parametrize(
        "address", ["127.0.0.1", "10.0.0.1", "::1", "::ffff:10.0.0.1", "fe80::1%eth0", "fd00::1"]
    )
    async def test_that_resolves_to_the_inside_is_refused_even_among_others(self, address):
        resolver = PublicResolver(inner=Names(evil_example=[["8.8.8.8", address]]))
        with pytest.raises(OSError, match="not public"):
            await resolver.resolve("evil.example")

    async def test_is_looked_at_each_time(self):
        resolver = PublicResolver(inner=Names(evil_example=[["8.8.8.8"], ["127.0.0.1"]]))
        [first] = await resolver.resolve("evil.example")
        assert first["host"] == "8.8.8.8"
        with pytest.raises(OSError, match="not public"):
            await resolver.resolve("evil.example")

    def test_permission_is_by_network(self):
        assert is_permitted(ipaddress.ip_address("127.0.0.1"), LOOPBACK)
        assert is_permitted(ipaddress.ip_address("::ffff:127.0.0.1"), LOOPBACK)
        assert not is_permitted(ipaddress.ip_address("10.0.0.1"), LOOPBACK)
