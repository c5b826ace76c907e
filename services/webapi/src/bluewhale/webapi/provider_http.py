"""Asking a provider of sign-ins: JSON over HTTPS, small, soon, and from where it was asked.

Owns limits of time and size. Follows no redirect: what a provider names is asked and
nothing else.
"""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit

from typing_extensions import override

TIMEOUT_S = 10.0
BYTES_MAX = 1 << 20
_LOCAL = frozenset({"127.0.0.1", "::1", "localhost"})


class ProviderError(Exception):
    """The provider did not answer as it should."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    @override
    def redirect_request(self, *_args: Any, **_more: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


def fetch(
    url: str,
    *,
    form: Mapping[str, str] | None = None,
    basic: tuple[str, str] | None = None,
    bearer: str = "",
) -> dict[str, Any]:
    """Give the JSON object at an address; with `form` it is sent there.

    Raises
    ------
    ProviderError
        It cannot be reached, refuses, or says something else.
    """
    place = urlsplit(url)
    if place.scheme != "https" and not (place.scheme == "http" and place.hostname in _LOCAL):
        raise ProviderError(f"{place.scheme}://{place.netloc} is not https")
    request = urllib.request.Request(  # noqa: S310 - the scheme was looked at
        url, None if form is None else urlencode(form).encode(), {"Accept": "application/json"}
    )
    if basic is not None:  # RFC 6749 section 2.3.1: both encoded before they are joined
        both = ":".join(quote(one, safe="") for one in basic)
        request.add_header("Authorization", f"Basic {base64.b64encode(both.encode()).decode()}")
    elif bearer:
        request.add_header("Authorization", f"Bearer {bearer}")
    try:
        with _OPENER.open(request, timeout=TIMEOUT_S) as answer:
            body = answer.read(BYTES_MAX + 1)
    except (URLError, OSError, ValueError) as error:
        if isinstance(error, HTTPError):
            error.close()
        raise ProviderError(f"{place.netloc}{place.path}: {error}") from error
    if len(body) > BYTES_MAX:
        raise ProviderError(f"{place.netloc}{place.path} says more than {BYTES_MAX} bytes")
    try:
        said = json.loads(body)
    except ValueError as error:
        raise ProviderError(f"{place.netloc}{place.path} says no JSON") from error
    if not isinstance(said, dict):
        raise ProviderError(f"{place.netloc}{place.path} says no JSON object")
    return said
