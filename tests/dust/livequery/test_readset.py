"""The overlap of reads and writes, and the index that finds it, against the plain definition."""

from hypothesis import given
from hypothesis import strategies as st

from dust.livequery.readset import (
    EVERY_TABLE,
    MAX_PIN_VALUES,
    TableRead,
    TableWrite,
    Value,
    narrow,
    touches,
)
from dust.livequery.subscriptions import SubscriptionIndex

COLUMNS = ["id", "board", "user"]
TABLES = ["entry", "user"]

values = st.sampled_from([None, 1, 2, 3, "solo:1"])
rows = st.fixed_dictionaries(dict.fromkeys(COLUMNS, values))
pins = st.dictionaries(
    st.sampled_from(COLUMNS), st.frozensets(values, min_size=1, max_size=3), max_size=3
)
columns = st.none() | st.frozensets(st.sampled_from([*COLUMNS, "score"]), min_size=1)
reads = st.builds(TableRead, st.sampled_from(TABLES), pins, columns)
writes = st.builds(TableWrite, st.sampled_from([*TABLES, EVERY_TABLE]), pins, columns)


Row = dict[str, Value]
Filed = dict[int, list[TableRead]]


def selects(read: TableRead, row: Row) -> bool:
    return all(row[column] in allowed for column, allowed in read.pins.items())


class TestTouches:
    @given(read=reads, before=rows, after=rows, known=st.sets(st.sampled_from(COLUMNS)))
    def test_never_misses_an_update_of_a_row_that_the_read_selects(
        self, read: TableRead, before: Row, after: Row, known: set[str]
    ) -> None:
        changed = frozenset(column for column in COLUMNS if before[column] != after[column])
        write = TableWrite(
            read.table,
            {column: frozenset({before[column], after[column]}) for column in known},
            changed,
        )
        depends = read.columns is None or bool(changed & (read.columns | set(read.pins)))
        whole = TableRead(
            read.table, read.pins, None if read.columns is None else read.columns | set(read.pins)
        )

        if depends and changed and (selects(read, before) or selects(read, after)):
            assert touches(write, whole)

    @given(read=reads, row=rows)
    def test_never_misses_a_row_that_comes_or_goes(self, read: TableRead, row: Row) -> None:
        write = TableWrite(read.table, {column: frozenset({row[column]}) for column in COLUMNS})

        assert touches(write, read) == selects(read, row)

    def test_tells_rows_pinned_to_different_values_apart(self) -> None:
        read = TableRead("entry", {"board": frozenset({"solo:1"})})

        assert not touches(TableWrite("entry", {"board": frozenset({"solo:2"})}), read)
        assert touches(TableWrite("entry", {"board": frozenset({"solo:2", "solo:1"})}), read)

    def test_tells_columns_apart_that_the_read_does_not_depend_on(self) -> None:
        read = TableRead("user", columns=frozenset({"id", "username"}))

        assert not touches(TableWrite("user", columns=frozenset({"last_login"})), read)
        assert touches(TableWrite("user", columns=frozenset({"last_login", "username"})), read)
        assert touches(TableWrite("user"), read)

    @given(read=reads)
    def test_takes_a_write_of_everything_for_a_write_of_this(self, read: TableRead) -> None:
        assert touches(TableWrite(EVERY_TABLE), read)


class TestNarrow:
    def test_drops_pins_that_are_too_wide_to_be_worth_matching(self) -> None:
        few, many = frozenset({1}), frozenset(range(MAX_PIN_VALUES + 1))

        assert narrow({"id": many, "board": few}) == {"board": few}


class TestSubscriptionIndex:
    @given(
        filed=st.dictionaries(st.integers(0, 8), st.lists(reads, max_size=3)),
        replaced=st.dictionaries(st.integers(0, 8), st.lists(reads, max_size=3)),
        discarded=st.sets(st.integers(0, 8)),
        write=writes,
    )
    def test_finds_exactly_what_a_look_at_every_read_finds(
        self, filed: Filed, replaced: Filed, discarded: set[int], write: TableWrite
    ) -> None:
        index: SubscriptionIndex[int] = SubscriptionIndex()
        for key, its_reads in [*filed.items(), *replaced.items()]:
            index.add(key, its_reads)
        for key in discarded:
            index.discard(key)
        left = {key: r for key, r in {**filed, **replaced}.items() if key not in discarded}

        expected = {
            key
            for key, its_reads in left.items()
            if write.table == EVERY_TABLE or any(touches(write, read) for read in its_reads)
        }

        assert index.touched(write) == expected
        assert len(index) == len(left)
        assert all(key in index for key in left)

    @given(filed=st.dictionaries(st.integers(0, 8), st.lists(reads, max_size=3)))
    def test_keeps_nothing_of_what_was_discarded(self, filed: Filed) -> None:
        index: SubscriptionIndex[int] = SubscriptionIndex()
        for key, its_reads in filed.items():
            index.add(key, its_reads)

        for key in filed:
            index.discard(key)

        assert (index._reads, index._unpinned, index._pinned) == ({}, {}, {})

    def test_looks_at_one_slot_however_many_there_are(self) -> None:
        index: SubscriptionIndex[int] = SubscriptionIndex()
        for key in range(10_000):
            board, room = frozenset({"solo:1"}), frozenset({key})
            index.add(key, [TableRead("entry", {"board": board, "id": room})])

        found = index._candidates(
            TableWrite("entry", {"board": frozenset({"solo:1"}), "id": frozenset({77})})
        )

        assert 77 in found
        assert len(found) <= 2
