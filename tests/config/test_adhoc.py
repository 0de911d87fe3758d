"""Which addresses callers may connect to."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from agent_bridge.config.adhoc import AdHoc

PLAIN = "https://*.example.com/*"


@pytest.mark.parametrize(
    ("glob", "url"),
    [
        (PLAIN, "https://a.example.com/mcp"),
        (PLAIN, "https://A.B.example.com./mcp?x=1"),
        (PLAIN, "https://a.example.com:443/"),
        (PLAIN, "https://a.example.com"),
        ("https://example.com/mcp", "https://example.com/mcp"),
        ("https://example.com:8443/*", "https://example.com:8443/mcp"),
        ("http://*/*", "http://anybody.example/x"),
    ],
)
def test_an_address_that_fits_part_for_part_is_allowed(glob: str, url: str) -> None:
    assert AdHoc(allow=("https://elsewhere.example/", glob)).allows(url)


@pytest.mark.parametrize(
    ("glob", "url"),
    [
        (PLAIN, "http://a.example.com/mcp"),
        (PLAIN, "https://example.com/mcp"),
        (PLAIN, "https://evil.test/.example.com/mcp"),
        (PLAIN, "https://evil.test#.example.com/"),
        (PLAIN, "https://evil.test?.example.com/"),
        (PLAIN, "https://evil.test\\.example.com/"),
        (PLAIN, "https://a.example.com@evil.test/"),
        (PLAIN, "https://user:password@a.example.com/mcp"),
        (PLAIN, "https://a.example.com:8443/mcp"),
        (PLAIN, "https://a.example.com:99999/mcp"),
        (PLAIN, "https://a.example.com.evil.test/mcp"),
        ("https://example.com/mcp", "https://example.com/mcp/other"),
        ("https://example.com/open/*", "https://example.com/open/../secret"),
        ("https://example.com/open/*", "https://example.com/open/%2e%2e/secret"),
    ],
)
def test_an_address_that_does_not_fit_is_not(glob: str, url: str) -> None:
    assert not AdHoc(allow=(glob,)).allows(url)


def test_nothing_is_allowed_unless_it_is_said() -> None:
    assert not AdHoc().allows("https://example.com/mcp")


@pytest.mark.parametrize("glob", ["*", "example.com", "ftp://x/*", "https://u@x/*", "https://x/?a=*"])
def test_a_glob_that_is_no_address_is_refused(glob: str) -> None:
    with pytest.raises(ValidationError):
        AdHoc(allow=(glob,))
