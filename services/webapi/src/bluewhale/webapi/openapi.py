"""The OpenAPI document of the app as a file: `python -m bluewhale.webapi.openapi [--write]`.

Owns the form of the file, so that a change of the API is a readable difference.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from bluewhale.configuration.web import WebSettings
from bluewhale.webapi.app import make_app

FILE = Path(__file__).resolve().parents[3] / "ui" / "openapi.json"


def document() -> dict[str, Any]:
    """Give the OpenAPI document, as the app serves it."""
    return make_app(None, WebSettings()).openapi()


def text() -> str:
    """Give the document as it is kept."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        FILE.write_text(text(), "utf-8")
    else:
        print(text(), end="")
