"""Reads policy files and people.yaml from disk and keeps the last good set running; what they mean is policy's."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gate.domain.people import Directory
from gate.policy.compile import compile_set
from gate.policy.documents import Document, PolicyError, Problem
from gate.policy.people import parse_people
from gate.policy.snapshot import PolicySet
from gate.workers.ending import stopped_within

INTERVAL_SEC = 1.0
MAX_FILE_BYTES = 4 * 1024 * 1024
MAX_FILES = 1_000
SUFFIXES = (".yaml", ".yml")
PEOPLE = "people.yaml"
UNSERVED: Mapping[str, str] = {
    "email": "there is no mail server to send it: set SMTP_URL",
    "pagerduty": "there is no PagerDuty service to page: set PAGERDUTY_ROUTING_KEY",
}
"""Way of a ladder step -> what is missing where a gate cannot go it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    """One good state of the files."""

    policy: PolicySet
    directory: Directory


@dataclass(frozen=True, kw_only=True, slots=True)
class Texts:
    """What the files say, not yet judged. `digest` is over every byte and name."""

    documents: tuple[Document, ...]
    people: Document
    digest: str


class PolicyFiles:
    """The folder of policies and the file of people.

    Policies are `*.yaml` and `*.yml` directly in the folder, `people.yaml` excepted; `cases/` and `examples/`
    lie below it and are none.
    """

    def __init__(self, policies: Path, people: Path) -> None:
        self.policies = policies
        self.people = people

    def load(self) -> Loaded:
        """Read and compile. Raises `PolicyError` for files that cannot be read, trusted or understood."""
        return compiled(self.read())

    def read(self) -> Texts:
        """The texts as they are now. Raises `PolicyError`."""
        problems: list[Problem] = []
        documents: list[Document] = []
        for path in self._paths(problems):
            if (text := _text(path, problems)) is not None:
                documents.append(Document(name=path.name, text=text))
        people = _text(self.people, problems)
        if problems or people is None:
            raise PolicyError(problems)
        whole = hashlib.sha256()
        for name, text in [*((d.name, d.text) for d in documents), ("", people)]:
            whole.update(f"{len(name)} {len(text)} {name}{text}".encode())
        return Texts(
            documents=tuple(documents),
            people=Document(name=self.people.name, text=people),
            digest=whole.hexdigest(),
        )

    def _paths(self, problems: list[Problem]) -> list[Path]:
        folder = str(self.policies)
        try:
            if (said := _untrusted(self.policies.stat())) is not None:
                problems.append(Problem(file=folder, line=1, message=f"the folder {said}"))
            names = sorted(os.listdir(self.policies))
        except OSError as error:
            problems.append(Problem(file=folder, line=1, message=f"cannot be read: {error.strerror}"))
            return []
        paths = [
            self.policies / n for n in names if n.endswith(SUFFIXES) and n != PEOPLE and not n.startswith(".")
        ]
        if len(paths) > MAX_FILES:
            problems.append(Problem(file=folder, line=1, message=f"more than {MAX_FILES} files"))
            return []
        return paths


def _untrusted(status: os.stat_result) -> str | None:
    return "may be written by everybody; take that right away" if status.st_mode & stat.S_IWOTH else None


def _text(path: Path, problems: list[Problem]) -> str | None:
    def refuse(message: str) -> None:
        problems.append(Problem(file=path.name, line=1, message=message))

    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                return refuse("is not a regular file")
            if (said := _untrusted(status)) is not None:
                return refuse(said)
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        return refuse(f"cannot be read: {error.strerror}")
    if len(data) > MAX_FILE_BYTES:
        return refuse(f"is over {MAX_FILE_BYTES // 1024 // 1024} MiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return refuse(f"is not UTF-8 (byte {error.start})")


def read_text(path: Path) -> str:
    """One text file under the same rules as policies. Raises `PolicyError`."""
    problems: list[Problem] = []
    text = _text(path, problems)
    if text is None:
        raise PolicyError(problems)
    return text


def compiled(texts: Texts) -> Loaded:
    """The set and directory of texts. Raises `PolicyError`."""
    directory = parse_people(texts.people.text, texts.people.name)
    return Loaded(policy=compile_set(texts.documents, directory), directory=directory)


def servable(loaded: Loaded, unserved: frozenset[str]) -> Loaded:
    """The same. Raises `PolicyError` where a ladder, or a broken glass, calls people in a way this gate cannot: it
    would call nobody."""
    if problems := list(_unservable(loaded.policy, unserved)):
        raise PolicyError(problems)
    return loaded


def _unservable(policy: PolicySet, unserved: frozenset[str]) -> Iterator[Problem]:
    if policy.break_glass is not None:
        for way in sorted(unserved.intersection(policy.break_glass.via)):
            file, line = _where(policy, "break_glass")
            message = f"break_glass calls supervisors via {way}, and {UNSERVED[way]}, or take {way} off `via`"
            yield Problem(file=file, line=line, message=message)
    defaults = [document.default for document in policy.compiled if document.default is not None]
    for rule in (*policy.rules, *defaults):
        ladder = rule.ask.ladder or () if rule.ask is not None else ()
        for way in sorted(unserved.intersection(way for step in ladder for way in step.via)):
            yield Problem(
                file=rule.document,
                line=rule.line,
                message=f"'{rule.id}' escalates via {way}, and {UNSERVED[way]}, or take {way} off the step",
            )


def _where(policy: PolicySet, section: str) -> tuple[str, int]:
    """File and line of a section that a set gives once."""
    for document in policy.documents:
        for number, line in enumerate(document.text.splitlines(), 1):
            if line.startswith(f"{section}:"):
                return document.name, number
    return policy.documents[0].name, 1


class PolicyHolder:
    """The set in force. A bad state of the files leaves it as it is and sets `problem`.

    `unserved` are the ways of calling people that this gate was not set up for; no ladder may use them.
    """

    def __init__(self, files: PolicyFiles, *, unserved: frozenset[str] = frozenset()) -> None:
        """Load now. Raises `PolicyError`: a gate does not start on a broken set."""
        self.files = files
        self._unserved = unserved
        texts = files.read()
        self._current = servable(compiled(texts), unserved)
        self._seen = texts.digest
        self._coming = texts.digest
        self._seen_problem: str | None = None
        self._problem: str | None = None

    @property
    def current(self) -> Loaded:
        """The last good set; replaced as a whole, never changed."""
        return self._current

    @property
    def problem(self) -> str | None:
        """Why the files on disk are not what is running; None where they are."""
        return self._problem

    def refresh(self, *, settled: bool = True) -> bool:
        """Take over the files where their content has changed and is good; whether the set in force changed.

        Content decides, not times: a file put back with an old time is seen, one only touched is not reloaded.
        Where it is not known that the files are `settled`, a content counts once it was read twice running, so that
        half of a file being written is never in force.
        """
        try:
            texts = self.files.read()
        except PolicyError as error:
            self._problem = str(error)
            return False
        coming, self._coming = self._coming, texts.digest
        if texts.digest == self._seen:
            self._problem = self._seen_problem  # what could not be read a moment ago can be read again
            return False
        if not settled and texts.digest != coming:
            return False
        self._seen, self._seen_problem = texts.digest, "the files could not be compiled"
        try:
            self._current = servable(compiled(texts), self._unserved)
            self._seen_problem = None
        except PolicyError as error:
            self._seen_problem = str(error)
        finally:
            self._problem = self._seen_problem
        return self._problem is None

    async def watch(
        self,
        stop: asyncio.Event,
        on_change: Callable[[PolicyHolder], Awaitable[None] | None],
        *,
        interval: float = INTERVAL_SEC,
        wait: Callable[[asyncio.Event, float], Awaitable[bool]] | None = None,
    ) -> None:
        """Refresh at intervals until `stop` is set; `on_change` hears of a new set and of a new or cleared problem.

        `wait(stop, seconds)` answers whether to stop; tests put their own clock there.
        """
        pause = wait if wait is not None else stopped_within
        while not await pause(stop, interval):
            before = self._problem
            changed = await asyncio.to_thread(self.refresh, settled=False)
            if changed or self._problem != before:
                answer = on_change(self)
                if answer is not None:
                    await answer
