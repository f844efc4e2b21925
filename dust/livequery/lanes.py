"""Whose turn it is: groups that wait for a cycle, in lanes by what they watch. Pure.

Lanes take turns, and each gives its longest waiting group. So ten thousand players who each watch
their own rank on one busy board do not hold back somebody who watches another.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable

from dust.livequery.live import FamilyKey, Group, LiveQuery

BUDGET_SECONDS = 0.05
"""How long one cycle may take, before the groups it has not come to wait for the next."""


class Lanes:
    """The queue of a live set.

    Groups that are known to need more than a whole budget wait apart, for the slow cycles, which
    run beside the ordinary ones. How long a function takes is learned from its runs.
    """

    def __init__(self) -> None:
        self._lanes: OrderedDict[frozenset[FamilyKey], deque[Group]] = OrderedDict()
        self._slow: deque[Group] = deque()
        self._seconds: dict[str, float] = {}

    def has_work(self, *, slow: bool) -> bool:
        """Return whether a group waits for a cycle of this kind."""
        return bool(self._slow if slow else self._lanes)

    def add(self, group: Group) -> None:
        """Let the group wait for its turn."""
        group.is_queued = True
        self._lanes.setdefault(group.families(), deque()).append(group)

    def add_slow(self, group: Group) -> None:
        """Let the group wait for a slow cycle."""
        group.is_queued = True
        self._slow.append(group)

    def take(self, *, slow: bool) -> Group | None:
        """Return the group whose turn it is; those that there is nobody to tell are dropped."""
        while self.has_work(slow=slow):
            group = self._slow.popleft() if slow else self._take_in_turn()
            group.is_queued = False
            if group.can_be_told():
                return group
        return None

    def _take_in_turn(self) -> Group:
        lane, groups = self._lanes.popitem(last=False)
        group = groups.popleft()
        if groups:
            self._lanes[lane] = groups
        return group

    def cost(self, queries: Iterable[LiveQuery]) -> float:
        """Return how many seconds it is expected to take to run the queries."""
        return sum(self._seconds.get(live.family.spec.path, 0.0) for live in queries)

    def learn(self, path: str, seconds: float) -> None:
        """Take a run's duration into account."""
        self._seconds[path] = (self._seconds.get(path, seconds) + seconds) / 2
