"""What `SMTP_URL` may say, and that no password travels in the clear."""

from __future__ import annotations

import pytest

from gate.mail_server import Encryption, MailServer, parse_mail_url

FROM = "?from=signoff@example.com"


@pytest.mark.parametrize(
    ("url", "host", "port", "encryption"),
    [
        (f"smtp://mail.example.com{FROM}", "mail.example.com", 25, Encryption.OFFERED),
        (f"smtp://mail.example.com:2525/{FROM}", "mail.example.com", 2525, Encryption.OFFERED),
        (f"smtp://u:p@mail.example.com{FROM}", "mail.example.com", 587, Encryption.REQUIRED),
        (f"smtp://u:p@127.0.0.1:1025{FROM}", "127.0.0.1", 1025, Encryption.OFFERED),
        (f"smtp://[::1]:1025{FROM}&starttls=off", "::1", 1025, Encryption.OFF),
        (f"smtp://mail.example.com{FROM}&starttls=required", "mail.example.com", 25, Encryption.REQUIRED),
        (f"smtps://u:p@mail.example.com{FROM}", "mail.example.com", 465, Encryption.IMPLICIT),
    ],
)
def test_where_and_how_mail_is_handed_over(url: str, host: str, port: int, encryption: Encryption):
    found = parse_mail_url(url)
    assert (found.host, found.port, found.encryption) == (host, port, encryption)
    assert found.sender == "signoff@example.com"


def test_user_and_password_are_decoded_and_the_user_may_be_the_sender():
    assert parse_mail_url("smtps://gate%40example.com:p%2Fw%3A%40@mail.example.com") == MailServer(
        host="mail.example.com",
        port=465,
        sender="gate@example.com",
        encryption=Encryption.IMPLICIT,
        user="gate@example.com",
        password="p/w:@",
    )


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (f"mail.example.com{FROM}", "smtp://USER"),
        (f"https://mail.example.com{FROM}", "smtp://USER"),
        (f"smtp://mail.example.com:99999{FROM}", "smtp://USER"),
        (f"smtp://mail.example.com/inbox{FROM}", "smtp://USER"),
        (f"smtp://u@mail.example.com{FROM}", "or neither"),
        ("smtp://mail.example.com", "?from="),
        ("smtp://u:p@mail.example.com", "?from="),
        ("smtp://mail.example.com?from=a@example.com%0d%0aBcc:%20b@example.com", "?from="),
        ("smtp://mail.example.com?from=Signoff%20<a@example.com>", "?from="),
        (f"smtp://u:p@mail.example.com{FROM}&starttls=offered", "in the clear"),
        (f"smtp://u:p@mail.example.com{FROM}&starttls=off", "in the clear"),
        (f"smtps://mail.example.com{FROM}&starttls=required", "from the start"),
        (f"smtp://mail.example.com{FROM}&starttls=maybe", "required, offered or off"),
        (f"smtp://mail.example.com{FROM}&starttls=implicit", "required, offered or off"),
        (f"smtp://mail.example.com{FROM}&tls=1", "options"),
    ],
)
def test_what_cannot_be_acted_on_is_refused_in_a_sentence(url: str, says: str):
    with pytest.raises(ValueError, match=r"^[^:]") as problem:
        parse_mail_url(url)
    assert says in str(problem.value)
    assert "u:p@" not in str(problem.value)
