"""SQL that the engine cannot see stands only where it says what it reads or wrote."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house import source

# What the engine keeps for itself, and locks, which touch no table.
EXEMPT = {
    "dust/livequery/backends/connection.py",
    "dust/livequery/catchup.py",
    "dust/livequery/clock.py",
    "dust/livequery/fanout.py",
    "dust/livequery/snapshots.py",
    "dust/livequery/writing.py",
    "dust/management/starting.py",
}
DECLARING = {"reading", "unnoticed"}
RAW = {"cursor", "extra", "raw", "RawSQL"}


def _name(call: ast.expr) -> str:
    match call:
        case ast.Call(func=ast.Attribute(attr=name)) | ast.Call(func=ast.Name(id=name)):
            return name
        case _:
            return ""


def _raw_lines(node: ast.AST, *, declared: bool = False) -> Iterator[int]:
    """Find the raw SQL under a node that no ``reading``, ``unnoticed`` or ``wrote`` answers for."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        declared |= any(isinstance(n, ast.Call) and _name(n) == "wrote" for n in ast.walk(node))
    if isinstance(node, ast.With | ast.AsyncWith):
        declared |= any(_name(item.context_expr) in DECLARING for item in node.items)
    if isinstance(node, ast.Call) and _name(node) in RAW and not declared:
        yield node.lineno
    for child in ast.iter_child_nodes(node):
        yield from _raw_lines(child, declared=declared)


def _undeclared(text: str) -> list[int]:
    return list(_raw_lines(ast.parse(text)))


class TestRawSql:
    def test_declares_itself_in_every_module(self) -> None:
        found = {
            str(path): lines
            for path in source.modules()
            if (lines := _undeclared((source.ROOT / path).read_text()))
        }

        assert {name: found[name] for name in found.keys() - EXEMPT} == {}

    def test_is_exempt_only_where_there_is_some(self) -> None:
        idle = {
            name
            for name in EXEMPT
            if not Path(source.ROOT / name).exists()
            or not _undeclared((source.ROOT / name).read_text())
        }

        assert idle == set()


class TestSearch:
    @pytest.mark.parametrize(
        "statement",
        [
            "with connection.cursor() as cursor: pass",
            "Entry.objects.raw('SELECT 1')",
            "Entry.objects.annotate(n=RawSQL('1', []))",
            "Entry.objects.extra(where=['1'])",
            "with other(Entry), connection.cursor() as cursor: pass",
        ],
    )
    def test_finds_what_is_not_declared(self, statement: str) -> None:
        assert _undeclared(f"def work():\n    {statement}") == [2]

    @pytest.mark.parametrize(
        "statement",
        [
            "with reading(Entry), connection.cursor() as cursor: pass",
            "with unnoticed(), connection.cursor() as cursor: pass",
            "connection.cursor().execute('UPDATE …'); wrote(Entry)",
            "logger.info('done', extra={})",
        ],
    )
    def test_passes_what_is(self, statement: str) -> None:
        assert _undeclared(f"def work():\n    {statement}") == []
