"""Names to builders: duplicates raise, an unknown name raises with the nearest ones."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from learnerkit.core.errors import ModelError, nearest

T = TypeVar("T", bound=Callable)


class Registry(Generic[T]):
    """A mapping of names to builders of one kind.

    kind: what the builders make, for error messages.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that enters a builder under `name`."""

        def enter(builder: T) -> T:
            if name in self._entries:
                raise ValueError(f"{self.kind} '{name}' is registered twice")
            self._entries[name] = builder
            return builder

        return enter

    def __getitem__(self, name: str) -> T:
        if name not in self._entries:
            raise ModelError(f"unknown {self.kind} '{name}'; {nearest(name, self._entries)}")
        return self._entries[name]

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))
