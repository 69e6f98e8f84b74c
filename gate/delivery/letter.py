"""A letter to one person about one waiting request: the words, the headers, nothing of how mail travels."""

from __future__ import annotations

import html
from datetime import datetime
from email import policy
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage

from gate.delivery.brief import Brief, Part
from gate.delivery.inert import inert, visible
from gate.domain.people import Person

LONGEST_SUBJECT = 180
_HOW = "Decide in Slack; an answer to this letter reaches nobody."
_DEFUSED = (
    "Text from outside is shown with [:] and [.] where it would be a link, and hidden characters by name."
)


class Unaddressable(ValueError):
    """The person's address cannot stand in a header."""


def letter(
    told: Brief,
    *,
    person: Person,
    sender: str,
    action_id: str,
    message_id: str,
    link: str | None,
    acting_for: str | None,
    now: datetime,
) -> EmailMessage:
    """The letter, as text and as HTML. `message_id` is stable over retries, so that mail programs merge duplicates;
    all letters about an action are one conversation. Raises Unaddressable."""
    domain = sender.rpartition("@")[2]
    message = EmailMessage(policy=policy.SMTP)
    message["Subject"] = _subject(told)
    message["From"] = Address("Signoff", addr_spec=sender)
    try:
        message["To"] = Address(visible(person.name), addr_spec=person.email)
    except (MessageError, ValueError, IndexError) as error:
        raise Unaddressable(type(error).__name__) from None
    message["Date"] = now
    message["Message-ID"] = f"<{message_id}@{domain}>"
    message["References"] = f"<{action_id}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(_text(told, action_id, link, acting_for), cte="quoted-printable")
    message.add_alternative(_html(told, action_id, link, acting_for), subtype="html", cte="quoted-printable")
    return message


def _subject(told: Brief) -> str:
    subject = f"[Signoff] {told.headline}"
    return subject if len(subject) <= LONGEST_SUBJECT else f"{subject[: LONGEST_SUBJECT - 1]}…"


def _where(action_id: str, link: str | None) -> str:
    return link or f"the Home tab of Signoff, request {action_id}"


def _acting(acting_for: str | None) -> tuple[str, ...]:
    return (f"You are asked because you act for {inert(acting_for, 120)}.",) if acting_for else ()


def _text(told: Brief, action_id: str, link: str | None, acting_for: str | None) -> str:
    top = (told.headline, f"{told.time}.", *_acting(acting_for), f"{_HOW}", _where(action_id, link))
    parts = ("\n".join((part.title.upper(), *(f"  {line}" for line in part.lines))) for part in told.parts)
    return "\n\n".join(("\n".join(top), *parts, f"-- \n{_DEFUSED}\nRequest {action_id}")) + "\n"


def _html(told: Brief, action_id: str, link: str | None, acting_for: str | None) -> str:
    e = html.escape
    place = f'<a href="{e(link)}">Open the card in Slack</a>' if link else e(_where(action_id, None))
    top = "".join(f"<p>{e(line)}</p>" for line in (f"{told.time}.", *_acting(acting_for), _HOW))
    parts = "".join(_html_part(part) for part in told.parts)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Signoff</title></head><body>'
        f"<h1>{e(told.headline)}</h1>{top}<p>{place}</p>{parts}"
        f"<hr><p><small>{e(_DEFUSED)} Request {e(action_id)}</small></p></body></html>\n"
    )


def _html_part(part: Part) -> str:
    title = f"<h2>{html.escape(part.title)}</h2>"
    if part.exact:
        return f"{title}<pre>{html.escape(chr(10).join(part.lines))}</pre>"
    return f"{title}<ul>{''.join(f'<li>{html.escape(line)}</li>' for line in part.lines)}</ul>"
