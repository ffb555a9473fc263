"""A person at the sign-in pages, as a browser would act for them."""

import html
import re
import urllib.parse

import requests


def fields(page):
    """The form's hidden fields."""
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page)
    return [(html.unescape(name), html.unescape(value)) for name, value in found]


def allow(url, username, decision="allow"):
    """Opens the sign-in page, chooses an account and allows the app; returns the page that this leads to."""
    page = requests.get(url, timeout=30)
    assert page.status_code == 200, page.text
    assert html.escape(username) in page.text, f"{username} is not offered by {page.text}"
    form = fields(page.text) + [("username", username), ("decision", decision)]
    target = urllib.parse.urljoin(page.url, "/v2/oauth2/authorize")
    return requests.post(target, data=form, timeout=30)


def code(url, username):
    """The code that the last page shows, to be pasted."""
    page = allow(url, username)
    assert page.status_code == 200, page.text
    return re.search(r'id="auth-code" readonly value="([^"]+)"', page.text).group(1)
