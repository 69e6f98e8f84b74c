"""What one store remembers of what it has read and written, over its transactions."""

from __future__ import annotations

from dataclasses import dataclass, field

from gate.store.agents import Held
from gate.store.delegations import Lent
from gate.store.history import Seen
from gate.store.newest import Newest


@dataclass(frozen=True, slots=True)
class Remembered:
    """It may be old. What is decided on it is stored only where the commit finds it to be so still."""

    seen: Seen = field(default_factory=Seen)
    held: Held = field(default_factory=Held)
    newest: Newest = field(default_factory=Newest)
    lent: Lent = field(default_factory=Lent)
