"""`gate doctor` and the systems beside Slack's messages: mail, PagerDuty, and lists of people kept elsewhere."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bot.sandbox import SandboxUsergroup
from tests.fakes.mail import LOGIN, Mail, mail_running
from tests.fakes.pagerduty import ROUTING_KEY, pagerduty_running
from tests.fakes.pagerduty_rest import TOKEN, Turn, pagerduty
from tests.integration.cli.conftest import House
from tests.integration.cli.practice import practice, workspace

ROTA = '{rotation: {people: [bo], every: 1w, handoff: "mon 09:00", tz: Europe/Berlin}}'


async def test_the_mail_server_is_asked_and_gets_no_letter(house: House):
    async with mail_running(Mail(), login=True) as mail, practice(house) as at:

        def url(login: str) -> str:
            return f"smtp://{login}@127.0.0.1:{mail.port}?from=signoff@example.com"

        visit = await at.look(SMTP_URL=url(":".join(LOGIN)))
        assert (visit.of("SMTP_URL")["state"], mail.letters) == ("ok", [])
        visit = await at.look(SMTP_URL=url("gate:wrong"))
    assert visit.failed() == {"SMTP_URL"}
    assert "wrong" not in visit.of("SMTP_URL")["says"], "a secret stays one"


async def test_the_routing_key_is_tried_and_nobody_is_paged(house: House):
    async with pagerduty_running() as account, practice(house) as at:
        visit = await at.look(PAGERDUTY_ROUTING_KEY=ROUTING_KEY, PAGERDUTY_EVENTS_URL=account.url)
        assert visit.of("PAGERDUTY_ROUTING_KEY")["state"] == "ok"
        assert account.alerts == {}
        visit = await at.look(PAGERDUTY_ROUTING_KEY="R" * 32, PAGERDUTY_EVENTS_URL=account.url)
    assert visit.failed() == {"PAGERDUTY_ROUTING_KEY"}
    assert "400" in visit.of("PAGERDUTY_ROUTING_KEY")["says"]


async def test_a_schedule_is_read_and_its_hand_offs_count_for_coverage(house: House):
    now = datetime.now(UTC)
    week = timedelta(days=7)
    async with pagerduty() as account, practice(house) as at:
        env = {"PAGERDUTY_API_TOKEN": TOKEN, "PAGERDUTY_API_URL": account.url}
        at.people(ROTA, "{pagerduty_schedule: PSCHED1}")
        account.turns = [
            Turn("PSCHED1", "ana@example.com", None, now + week),
            Turn("PSCHED1", "bo@example.com", now + week, now + 3 * week),
        ]
        visit = await at.look(**env)
        assert visit.code == 0, visit.failed()
        assert visit.of("rota primary")["state"] == "ok"
        account.turns.pop()
        visit = await at.look(**env)
        assert visit.failed() == {"rota primary"}
        account.turns.append(Turn("PSCHED1", "new@example.com", now + week, None))
        visit = await at.look(**env)
        assert visit.failed() == {"rota primary", "schedule PSCHED1"}
        assert "new@example.com" in visit.of("schedule PSCHED1")["says"]
        visit = await at.look(**env | {"PAGERDUTY_API_TOKEN": "other"})
    assert {"rota primary", "schedule PSCHED1"} <= visit.failed()


async def test_a_user_group_is_read_and_counts_for_quorums(house: House):
    described = workspace()
    groups = (SandboxUsergroup("S0FINANCE", "finance", ("U0ANA", "U0BO")),)
    async with practice(house, replace(described, usergroups=groups)) as at:
        at.people("{members: [ana, bo]}", "{slack_usergroup: S0FINANCE}")
        visit = await at.look()
        assert visit.code == 0, visit.failed()
        assert visit.of("group finance")["says"].startswith("2 of 2")
        at.people("S0FINANCE", "S0NOBODY")
        visit = await at.look()
    assert {"user group S0NOBODY", "group finance", "p.yaml:14 wires"} <= visit.failed()
