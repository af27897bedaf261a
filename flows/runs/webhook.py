"""Messages of a scheduled run to the operator's webhook, sent by the run itself.

They name documents, which Prefect's database must not: what is forgotten would stay in it.
"""

import json
import urllib.request
from urllib.parse import urlsplit

from pydantic import SecretStr

_SECONDS = 30.0  # for the webhook to take a message


def post_message(webhook: SecretStr, text: str) -> str | None:
    """Post `text` as chats (`text`) and Apprise (`body`) read it; the fault in words where it was not taken, else None."""
    url = webhook.get_secret_value()
    if urlsplit(url).scheme not in {"http", "https"}:
        return "PAGEMILL_WEBHOOK is no http or https address"
    body = json.dumps({"title": "Pagemill", "text": text, "body": text}).encode()
    asked = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="POST")  # noqa: S310 - as above
    try:
        with urllib.request.urlopen(asked, timeout=_SECONDS):  # noqa: S310 - as above
            return None
    except (OSError, ValueError) as error:  # its text may hold the address, which is a secret
        return f"the webhook did not take the message ({type(error).__name__})"
