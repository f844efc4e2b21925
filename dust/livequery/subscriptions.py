"""Which live queries a write can have changed, found without looking at the others. Pure."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from typing import Generic, TypeVar

from dust.livequery.readset import EVERY_TABLE, TableRead, TableWrite, Value, touches

K = TypeVar("K", bound=Hashable)


class SubscriptionIndex(Generic[K]):
    """Maps reads to the keys of the live queries that made them.

    Invariant: each read of a key is filed exactly once, under one of its pinned columns and there
    under each value, or among its table's unpinned reads. The column taken is the one whose slots
    hold the fewest keys at that time, so that many reads alike in one column end up apart by
    another. A write visits only the slots of the values it has in each column that is filed under,
    and every slot of a column whose value it does not know.
    """

    def __init__(self) -> None:
        self._reads: dict[K, tuple[tuple[TableRead, str | None], ...]] = {}
        self._unpinned: defaultdict[str, set[K]] = defaultdict(set)
        self._pinned: defaultdict[str, defaultdict[str, defaultdict[Value, set[K]]]] = defaultdict(
            lambda: defaultdict(lambda: defaultdict(set))
        )

    def __len__(self) -> int:
        return len(self._reads)

    def __contains__(self, key: object) -> bool:
        return key in self._reads

    def add(self, key: K, reads: Iterable[TableRead]) -> None:
        """File the key under what it read, in place of what it read before."""
        self.discard(key)
        self._reads[key] = tuple((read, self._file(read, key)) for read in reads)

    def discard(self, key: K) -> None:
        """Forget the key, if it is filed."""
        for read, column in self._reads.pop(key, ()):
            if column is None:
                _drop(self._unpinned, read.table, key)
            else:
                self._unfile(read, column, key)

    def touched(self, write: TableWrite) -> set[K]:
        """Return the keys of all live queries that the write can have changed."""
        if write.table == EVERY_TABLE:
            return set(self._reads)
        return {
            key
            for key in self._candidates(write)
            if any(touches(write, read) for read, _ in self._reads[key])
        }

    def _file(self, read: TableRead, key: K) -> str | None:
        if not read.pins:
            self._unpinned[read.table].add(key)
            return None
        columns = self._pinned[read.table]

        def crowd(name: str) -> int:
            slots: Mapping[Value, set[K]] = columns.get(name, {})
            return sum(len(slots.get(value, ())) for value in read.pins[name])

        column = min(sorted(read.pins), key=crowd)
        for value in read.pins[column]:
            columns[column][value].add(key)
        return column

    def _candidates(self, write: TableWrite) -> set[K]:
        found = set(self._unpinned.get(write.table, ()))
        for column, slots in self._pinned.get(write.table, {}).items():
            values = write.pins.get(column)
            if values is None:
                found.update(*slots.values())
            else:
                found.update(*(slots[value] for value in values if value in slots))
        return found

    def _unfile(self, read: TableRead, column: str, key: K) -> None:
        columns = self._pinned[read.table]
        for value in read.pins[column]:
            _drop(columns[column], value, key)
        if not columns[column]:
            del columns[column]
        if not columns:
            del self._pinned[read.table]


S = TypeVar("S", bound=Hashable)


def _drop(slots: defaultdict[S, set[K]], slot: S, key: K) -> None:
    slots[slot].discard(key)
    if not slots[slot]:
        del slots[slot]
