"""Lists that clients read a page at a time, each page live and none overlapping the next.

A page is an interval of a total order, open at its cursor and closed at its end. Where the first
run of a page has ended is kept (its *journal*), so that later runs show what has come and gone
between the two places, whatever their number: pages that follow each other stay without gaps.
Cursors hold the place of a row, not its number, and are good for one query only.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from django.core.exceptions import FieldError, ValidationError
from django.db.models import F, Field, Model, Q, QuerySet
from django.db.models.expressions import OrderBy

from dust.errors import InvalidError
from dust.livequery.shapes import Args

MOST_ROWS = 32_000
"""How many rows one page may hold; asking for more is refused, growing beyond is cut off."""

_SPLIT_RECOMMENDED = 6_144
_NEAR_THE_LIMIT = 0.75

T = TypeVar("T")
U = TypeVar("U")
M = TypeVar("M", bound=Model)

PageStatus = Literal["SplitRecommended", "SplitRequired"]
_Most = Annotated[float, msgspec.Meta(gt=0)]


class PaginationOpts(Args, frozen=True):
    """Which page, as ``usePaginatedQuery`` and its like ask for it.

    ``cursor`` is where the page before has ended, null for the first. With an ``end_cursor`` the
    page ends there, and ``num_items`` is of no account. ``id`` only tells one list from another
    that is the same otherwise. Rows are not measured: ``maximum_bytes_read`` limits nothing.
    """

    num_items: Annotated[float, msgspec.Meta(gt=0, le=MOST_ROWS)]
    cursor: str | None
    end_cursor: str | msgspec.UnsetType | None = msgspec.UNSET
    id: float | msgspec.UnsetType = msgspec.UNSET
    maximum_rows_read: _Most | msgspec.UnsetType = msgspec.UNSET
    maximum_bytes_read: _Most | msgspec.UnsetType = msgspec.UNSET


class Page(msgspec.Struct, Generic[T], frozen=True, rename="camel"):
    """A page, and where the next one begins.

    ``split_cursor`` is a place in the middle, for clients that would rather have two pages.
    ``page_status`` says that they had better, or, if the page is incomplete, must.
    """

    page: list[T]
    is_done: bool
    continue_cursor: str
    split_cursor: str | None = None
    page_status: PageStatus | None = None

    def map(self, show: Callable[[T], U]) -> "Page[U]":
        """Return the page with each of its items shown so."""
        return Page(
            [show(item) for item in self.page],
            self.is_done,
            self.continue_cursor,
            self.split_cursor,
            self.page_status,
        )


class InvalidCursorError(InvalidError):
    """InvalidCursor: the cursor was given out for another query, or is none."""

    code = "invalid_page_cursor"

    def __init__(self) -> None:
        # By this, and by how the message begins, clients know to start over.
        super().__init__(data={"isConvexSystemError": True, "paginationError": "InvalidCursor"})


def paginate(
    rows: QuerySet[M], options: PaginationOpts, journal: str | None
) -> tuple[Page[M], str]:
    """Return a page of the ordered rows, and the journal of where it ends.

    What the rows are ordered by must not be null. Their primary key is the last resort among equal
    ones, in the direction of the last field.

    :raises InvalidCursorError: if a cursor is not one of this query's.
    """
    order = _Order.of(rows)
    rows = rows.order_by(*order.expressions())
    start = order.read(options.cursor)
    end_cursor = options.end_cursor or journal
    if start == _END:
        end = order.end_cursor()
        return Page([], is_done=True, continue_cursor=end), end
    if start is not None:
        rows = rows.filter(order.after(start))
    if end_cursor is None:
        page = _first_run(rows, order, options)
    else:
        page = _between(rows, order, end_cursor, options)
    return page, page.continue_cursor


def _first_run(rows: QuerySet[M], order: "_Order", options: PaginationOpts) -> Page[M]:
    most = _most_rows(options, max(int(options.num_items), 1))
    found = list(rows[: most + 1])
    shown = found[:most]
    is_done = len(found) <= most
    end = order.end_cursor() if is_done else order.cursor_at(shown[-1])
    return Page(shown, is_done, end, *_split(shown, order, MOST_ROWS))


def _between(
    rows: QuerySet[M], order: "_Order", end_cursor: str, options: PaginationOpts
) -> Page[M]:
    end = order.read(end_cursor) or _END
    most = _most_rows(options, MOST_ROWS)
    if end != _END:
        rows = rows.exclude(order.after(end))
    found = list(rows[: most + 1])
    shown = found[:most]
    split, status = _split(shown, order, most)
    if len(found) > most:
        status = "SplitRequired"
    return Page(shown, end == _END, end_cursor, split, status)


def _most_rows(options: PaginationOpts, most: int) -> int:
    if options.maximum_rows_read is msgspec.UNSET:
        return most
    return min(most, max(int(options.maximum_rows_read), 1))


def _split(
    shown: Sequence[Model], order: "_Order", most: int
) -> tuple[str | None, PageStatus | None]:
    if len(shown) <= 2:
        return None, None
    is_large = len(shown) > min(_SPLIT_RECOMMENDED, most * _NEAR_THE_LIMIT)
    return order.cursor_at(shown[len(shown) // 2]), "SplitRecommended" if is_large else None


_Place = tuple[Any, ...]

_END: _Place = ()
"""Where a list ends, however long it becomes."""


@dataclass(frozen=True, slots=True)
class _Order:
    """The total order of a query's rows: fields, and for each whether it descends."""

    fields: tuple[tuple[Field[Any, Any], bool], ...]
    fingerprint: bytes

    @classmethod
    def of(cls, rows: QuerySet[M]) -> "_Order":
        meta = rows.model._meta
        names = [_name_of(term) for term in rows.query.order_by or meta.ordering or ()]
        fields = [(_field(rows.model, name), descends) for name, descends in names]
        if meta.pk not in [field for field, _ in fields]:
            fields.append((meta.pk, bool(fields) and fields[-1][1]))
        sql, params = rows.order_by().query.sql_with_params()
        told = repr((sql, params, [(field.name, descends) for field, descends in fields]))
        return cls(tuple(fields), hashlib.blake2b(told.encode(), digest_size=8).digest())

    def expressions(self) -> list[OrderBy]:
        return [
            F(field.attname).desc() if descends else F(field.attname).asc()
            for field, descends in self.fields
        ]

    def after(self, place: _Place) -> Q:
        """Return what is true of the rows that come after the place."""
        equal = Q()
        ways: list[Q] = []
        for (field, descends), value in zip(self.fields, place, strict=True):
            ways.append(equal & Q(**{f"{field.attname}__{'lt' if descends else 'gt'}": value}))
            equal &= Q(**{field.attname: value})
        return reduce(or_, ways)

    def cursor_at(self, row: Model) -> str:
        """Return the cursor of the place of this row."""
        return self._cursor([getattr(row, field.attname) for field, _ in self.fields])

    def end_cursor(self) -> str:
        """Return the cursor of the place behind all rows that there are or will be."""
        return self._cursor([])

    def _cursor(self, values: list[Any]) -> str:
        raw = msgspec.msgpack.encode([self.fingerprint, values])
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    def read(self, cursor: str | None) -> _Place | None:
        """Return the place that a cursor stands for; None for none.

        :raises InvalidCursorError: if it does not stand for one of this query's.
        """
        if cursor is None:
            return None
        try:
            raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            fingerprint, values = msgspec.msgpack.decode(raw, type=tuple[bytes, list[Any]])
            if fingerprint != self.fingerprint or len(values) not in {0, len(self.fields)}:
                raise InvalidCursorError
            return tuple(
                field.to_python(value)
                for (field, _), value in zip(self.fields, values, strict=False)
            )
        except (binascii.Error, ValueError, msgspec.MsgspecError, ValidationError) as exc:
            raise InvalidCursorError from exc


def _name_of(term: Any) -> tuple[str, bool]:
    match term:
        case str():
            return term.lstrip("-"), term.startswith("-")
        case OrderBy(expression=F() as field):
            return str(field.name), term.descending  # type: ignore[attr-defined]  # stubs lack it
        case F():
            return str(term.name), False  # type: ignore[attr-defined]
        case _:
            raise FieldError(f"Pages are of rows ordered by fields of their own, not by {term!r}.")


def _field(model: type[Model], name: str) -> Field[Any, Any]:
    field = model._meta.pk if name == "pk" else model._meta.get_field(name)
    if not isinstance(field, Field) or field.null:
        raise FieldError(f"Pages cannot be ordered by {name}: it may be null, or is no column.")
    return field
