"""Pages for people: made here whole, escaped by default, without scripts.

They are for small telephones, and take nothing from anywhere else (Content-Security-Policy).
"""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from aiohttp import web
from markupsafe import Markup

from web.middleware import POLICY

_FOLDER = Path(__file__).parent / "templates"


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _style() -> tuple[str, str]:
    """The style of all pages, and the policy that allows it and nothing else."""
    style = (_FOLDER / "style.css").read_text()
    return style, policy_of(style)


def policy_of(style: str) -> str:
    """What a page with this style may load: nothing; and post: to us alone (CSP)."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'none'"
    )


def page(name: str, *, status: int = 200, refresh_s: int = 0, **members: Any) -> web.Response:
    """The page of a template, which comes again after `refresh_s` seconds unless that is 0."""
    style, policy = _style()
    members |= {"style": Markup(style), "refresh_s": refresh_s}  # noqa: S704  a file of ours
    text = _environment().get_template(f"{name}.html").render(members)
    return web.Response(
        status=status, text=text, content_type="text/html", headers={POLICY: policy}
    )
