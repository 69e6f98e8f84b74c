"""Which permissions the bot's token needs, and what stops without each; the manifest asks for exactly these."""

from __future__ import annotations

SCOPES = {
    "channels:history": "finding a card again after a lost answer in a public channel",
    "channels:join": "joining a public channel by itself",
    "channels:read": "finding public channels by name",
    "chat:write": "posting cards, thread lines and answers",
    "commands": "the /gate command",
    "groups:history": "finding a card again in a private channel",
    "groups:read": "finding private channels by name",
    "im:history": "finding a direct message again",
    "im:write": "direct messages to those who are asked or paged",
    "usergroups:read": "reading the user groups that people.yaml names",
    "users:read": "knowing who clicked",
    "users:read.email": "knowing people by their address",
}
"""Bot scope -> what needs it."""
