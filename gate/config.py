"""The settings: names, defaults and meanings of the environment variables; `wiring/` acts on them."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from gate.addresses import Address, Listed, Listen, Networks, kept_from_readers, web_address
from gate.mail_server import MailServer, parse_mail_url

PREFIX = "GATE_"
TEST_PREFIX = "GATE_TEST_"
"""Names of the test suite; the gate leaves them alone."""


class SettingsError(Exception):
    """The environment cannot be acted on; each of `problems` is a line without any value."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class Settings(BaseSettings):
    """Everything a deployment decides. Frozen; secrets do not show in its repr.

    `load_settings()` is the way in: it adds the checks on unknown names and turns errors into lines.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,
        arbitrary_types_allowed=True,
    )

    database_url: Annotated[str, Field(repr=False)] = "sqlite:///var/gate.db"
    """Where everything is kept: `sqlite:///PATH` or `postgresql://…`."""
    bind: Listen = Address(("127.0.0.1", 8080))
    """Where the HTTP API listens, `HOST:PORT`; port 0 takes a free one."""
    public_url: Annotated[str | None, BeforeValidator(lambda v: v and web_address(v))] = None
    """How others reach the API, for links; without it, the address of `GATE_BIND`."""
    policies: Path = Path("policies/")
    """The folder of policy documents."""
    people: Path = Path("policies/people.yaml")
    """The file of persons, groups and rotas."""
    keys: Path = Path("var/keys/")
    """The folder of keys, made on the first start with mode 0700; replicas share one."""
    key_command: str | None = None
    """A program that keeps the sealing keys: called with `wrap` or `unwrap` and an id, base64 in and out."""
    callback_hosts: Listed = ()
    """Where callbacks may go, by commas: `hooks.example.com`, `*.example.com`, `localhost:9000`."""
    callback_networks: Networks = ()
    """Networks off the public internet that callbacks may reach all the same, by commas: `10.20.0.0/16`."""
    checkpoints_folder: Path | None = None
    """A folder outside the database, best on another machine, that gets each published checkpoint as a file."""
    checkpoints_webhook: Annotated[str | None, BeforeValidator(lambda v: v and kept_from_readers(v))] = None
    """Where checkpoints are posted, signed like callbacks."""
    checkpoints_slack: str | None = None
    """The Slack channel that gets checkpoints, `#name`."""
    checkpoints_authority: Annotated[str | None, BeforeValidator(lambda v: v and web_address(v))] = None
    """A time-stamping authority (RFC 3161) that stamps checkpoints."""
    checkpoints_authority_certificates: Path | None = None
    """Its certificate, or the root of its chain, in a PEM file; stamps that it does not verify do not count."""
    checkpoints_every_sec: Annotated[int, Field(ge=1)] = 60
    """How often folder and webhook get a checkpoint, where there is news."""
    checkpoints_calm_every_sec: Annotated[int, Field(ge=1)] = 3600
    """The same for the Slack channel and the authority."""
    retention_months: Annotated[int, Field(ge=1, le=1200)] = 84
    """How many months every record is kept at least; `gate retention prune` takes out nothing younger."""
    pending_per_agent: Annotated[int, Field(ge=1)] = 500
    """How many requests of one agent may wait for people at a time; more are throttled."""
    max_body_bytes: Annotated[int, Field(ge=1024, le=16_777_216)] = 262_144
    """The largest request body, in bytes; larger ones are answered 413."""
    sandbox_bind: Listen = Address(("127.0.0.1", 8090))
    """Where the sandbox workspace listens when no Slack tokens are set."""
    sandbox_state: Path = Path("var/sandbox.json")
    """Where the sandbox workspace keeps its messages between starts."""
    log_format: Literal["auto", "json", "console"] = "auto"
    """`json`, `console`, or `auto`: console on a terminal, JSON elsewhere."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe line that is logged."""

    slack_bot_token: Annotated[SecretStr | None, Field(validation_alias="SLACK_BOT_TOKEN")] = None
    """The bot token, `xoxb-…`. Without any Slack token the sandbox workspace is started."""
    slack_app_token: Annotated[SecretStr | None, Field(validation_alias="SLACK_APP_TOKEN")] = None
    """The app-level token, `xapp-…`, for Socket Mode."""
    slack_signing_secret: Annotated[SecretStr | None, Field(validation_alias="SLACK_SIGNING_SECRET")] = None
    """Set it for HTTP mode: Slack then calls this server, and the app token is not used."""
    slack_api_url: Annotated[str, Field(validation_alias="SLACK_API_URL")] = "https://slack.com/api/"
    """The base URL of the Slack Web API; another workspace server can stand in."""

    smtp_url: Annotated[SecretStr | None, Field(validation_alias="SMTP_URL")] = None
    """The mail server for ladder steps: `smtp://USER:PASSWORD@HOST:PORT?from=ADDRESS`."""
    pagerduty_routing_key: Annotated[SecretStr | None, Field(validation_alias="PAGERDUTY_ROUTING_KEY")] = None
    """The integration key of the PagerDuty service that ladder steps page (Events API v2)."""
    pagerduty_events_url: Annotated[str, Field(validation_alias="PAGERDUTY_EVENTS_URL")] = (
        "https://events.pagerduty.com/v2/enqueue"
    )
    """Where events are sent; accounts in the EU have an address of their own."""

    pagerduty_api_token: Annotated[SecretStr | None, Field(validation_alias="PAGERDUTY_API_TOKEN")] = None
    """A read-only token of PagerDuty's REST API, for `pagerduty_schedule` in people.yaml."""
    pagerduty_api_url: Annotated[str, Field(validation_alias="PAGERDUTY_API_URL")] = (
        "https://api.pagerduty.com"
    )
    """The base address of PagerDuty's REST API; accounts in the EU have one of their own."""

    @field_validator("log_format", "log_level", mode="before")
    @classmethod
    def _any_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("database_url")
    @classmethod
    def _known_engine(cls, value: str) -> str:
        if not value.startswith(("sqlite:///", "postgresql://", "postgres://")):
            raise ValueError("write sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME")
        return value

    @field_validator("slack_api_url")
    @classmethod
    def _api_base(cls, value: str) -> str:
        return web_address(value) + "/"  # slack-sdk joins method names onto it

    @field_validator("smtp_url")
    @classmethod
    def _mail_server(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parse_mail_url(value.get_secret_value())
        return value

    @field_validator("pagerduty_events_url", "pagerduty_api_url")
    @classmethod
    def _pagerduty_url(cls, value: str) -> str:
        return kept_from_readers(value, "the key")

    @field_validator("pagerduty_routing_key")
    @classmethod
    def _one_word(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().isalnum():
            raise ValueError("an integration key is letters and digits")
        return value

    @field_validator("slack_bot_token", "slack_app_token")
    @classmethod
    def _not_swapped(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        wrong = {"slack_bot_token": ("xapp-", "an app-level"), "slack_app_token": ("xoxb-", "a bot")}
        prefix, kind = wrong[info.field_name or ""]
        if value is not None and value.get_secret_value().startswith(prefix):
            raise ValueError(f"this looks like {kind} token; the two Slack tokens may be swapped")
        return value

    @model_validator(mode="after")
    def _slack_is_whole(self) -> Settings:
        socket, http = self.slack_app_token, self.slack_signing_secret
        if self.slack_bot_token is not None and socket is None and http is None:
            raise ValueError(
                "SLACK_BOT_TOKEN is set, but neither SLACK_APP_TOKEN (Socket Mode) nor SLACK_SIGNING_SECRET "
                "(HTTP mode) is; set one of them, or none of the three to use the sandbox workspace"
            )
        if self.slack_bot_token is None and (socket is not None or http is not None):
            given = "SLACK_APP_TOKEN" if socket is not None else "SLACK_SIGNING_SECRET"
            raise ValueError(f"{given} is set, but SLACK_BOT_TOKEN is not; the bot needs both")
        if self.slack_bot_token is None and "slack_api_url" in self.model_fields_set:
            raise ValueError(
                "SLACK_API_URL is set, but SLACK_BOT_TOKEN is not; set the tokens of that workspace too"
            )
        return self

    @model_validator(mode="after")
    def _authority_is_whole(self) -> Settings:
        if (self.checkpoints_authority is None) != (self.checkpoints_authority_certificates is None):
            raise ValueError(
                "GATE_CHECKPOINTS_AUTHORITY and GATE_CHECKPOINTS_AUTHORITY_CERTIFICATES belong together; set both"
            )
        return self

    @model_validator(mode="after")
    def _pagerduty_is_whole(self) -> Settings:
        if self.pagerduty_routing_key is None and "pagerduty_events_url" in self.model_fields_set:
            raise ValueError("PAGERDUTY_EVENTS_URL is set, but PAGERDUTY_ROUTING_KEY is not; set both")
        return self

    @property
    def mail_server(self) -> MailServer | None:
        """Where e-mail is handed over; None where none is sent."""
        return None if self.smtp_url is None else parse_mail_url(self.smtp_url.get_secret_value())

    @property
    def slack_mode(self) -> Literal["socket", "http", "sandbox"]:
        """`http` where a signing secret is set, else `socket` where tokens are, else `sandbox`."""
        if self.slack_bot_token is None:
            return "sandbox"
        return "http" if self.slack_signing_secret is not None else "socket"

    @property
    def on_sqlite(self) -> bool:
        """Whether this is the embedded, one-process set-up."""
        return self.database_url.startswith("sqlite")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments before the environment before `.env`; `NAME_FILE` last, since it excludes `NAME`."""
        return (init_settings, env_settings, dotenv_settings, _NamedFiles(settings_cls))


def env_name(field: str) -> str:
    """The environment variable of a field of `Settings`."""
    alias = Settings.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else PREFIX + field.upper()


def known_names() -> tuple[str, ...]:
    """Every variable this version reads, in the order of the reference page."""
    return tuple(env_name(field) for field in Settings.model_fields)


def load_settings() -> Settings:
    """The settings of this process from its environment and `./.env`. Raises SettingsError."""
    problems = list(_problems_with_names(_environment()))
    if problems:
        raise SettingsError(problems)
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError([_line(dict(problem)) for problem in error.errors(include_input=False)]) from None
    except (OSError, UnicodeError) as error:
        raise SettingsError([f".env or a NAME_FILE cannot be read: {type(error).__name__}"]) from None


def _environment() -> Mapping[str, str]:
    dotenv = DotEnvSettingsSource(Settings, env_file=".env", env_file_encoding="utf-8", case_sensitive=True)
    merged = {name: value for name, value in dotenv.env_vars.items() if value}
    return merged | {name: value for name, value in os.environ.items() if value}


def _problems_with_names(environment: Mapping[str, str]) -> Iterator[str]:
    known = set(known_names())
    for name in sorted(environment):
        base = name.removesuffix("_FILE")
        if base in known:
            if name != base and base in environment:
                yield f"{base} and {name} are both set; keep one"
            elif name != base and not Path(environment[name]).is_file():
                yield f"{name} names a file that cannot be read"
        elif name.upper().startswith(PREFIX) and not name.startswith(TEST_PREFIX):
            near = difflib.get_close_matches(name.upper(), sorted(known), n=1, cutoff=0.0)
            yield f"{name} is not a setting of the gate; the nearest one is {near[0]}"


def _line(problem: Mapping[str, Any]) -> str:
    where = problem["loc"][0] if problem["loc"] else None
    sentence = str(problem["msg"]).removeprefix("Value error, ")
    if where is None:
        return sentence
    name = env_name(str(where)) if where in Settings.model_fields else str(where)
    return f"{name}: {sentence}"


class _NamedFiles(PydanticBaseSettingsSource):
    """Reads the value of NAME from the file that NAME_FILE names, as container secrets are handed over."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        name = env_name(field_name)
        file = _environment().get(f"{name}_FILE")
        value = Path(file).read_text(encoding="utf-8").strip() if file else None
        return value, field_name, False

    def __call__(self) -> dict[str, Any]:
        found = {
            name: self.get_field_value(field, name)[0]
            for name, field in self.settings_cls.model_fields.items()
        }
        return {name: value for name, value in found.items() if value}
