"""A frontend is told by its compiler what it may call and what it gets (PLAT-C4)."""

import json
from datetime import datetime
from enum import StrEnum
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from django.core.management import CommandError, call_command
from msgspec import UNSET, Meta, UnsetType

from dust.convex.specs import UnsupportedTypeError, function_specs
from dust.convex.typescript import generated
from dust.livequery.pagination import Page, PaginationOpts
from dust.livequery.registry import FunctionSpec, Kind
from dust.livequery.shapes import AnyArgs, Args, NoArgs, in_table
from tests.dust.serving import manage
from tests.node import copy_clients, node_modules, run_node

FILES = {"api.d.ts", "api.js", "dataModel.d.ts"}

GoodsId = Annotated[str, in_table("goods")]
OwnerId = Annotated[str, in_table("owners")]
Int64 = Annotated[int, Meta(extra={"int64": True})]


class Mode(StrEnum):
    RACE = "race"
    COOP = "coop"


class Circle(msgspec.Struct, tag="circle"):
    radius: float


class Point(msgspec.Struct, tag="point"):
    pass


class Tree(msgspec.Struct):
    name: str
    below: list["Tree"]


class Kinds(Args, frozen=True, kw_only=True):
    nothing: None
    flag: bool
    whole: int
    real: float
    large: Int64
    text: str
    data: bytes
    anything: Any
    mode: Mode
    size: Literal[1, 2]
    ids: list[GoodsId | None]
    counts: dict[str, tuple[float, ...]]
    shape: Circle | Point
    tree: Tree
    odd: str = msgspec.field(name="not-a-name")
    preset: int = 3
    late: float | UnsetType = UNSET


class BriefGoods(msgspec.Struct):
    id: GoodsId = msgspec.field(name="_id")
    creation_time: float = msgspec.field(name="_creationTime")


class Goods(BriefGoods, kw_only=True):
    name: str
    owner: OwnerId


class ListArgs(Args, frozen=True):
    owner: str
    pagination_opts: PaginationOpts


class BuyArgs(Args, frozen=True):
    large: Int64


class Row(msgspec.Struct, array_like=True):
    at: float


def handler(_ctx: Any, _args: Any) -> None:
    """Do as its name says; this does not end the comment: */ }."""


def function(path: str, args: Any, returns: Any, kind: Kind = Kind.QUERY) -> FunctionSpec:
    return FunctionSpec(path, kind, handler, args, returns, is_internal=path == "shop:sweep")


def an_object(**fields: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "value": {name: {"fieldType": kind, "optional": False} for name, kind in fields.items()},
    }


def literal(value: Any) -> dict[str, Any]:
    return {"type": "literal", "value": value}


MADE_UP = [
    function("shop/goods:show", Kinds, Kinds),
    function("shop/goods:list", ListArgs, Page[Goods]),
    function("shop/goods:newest", NoArgs, BriefGoods | None),
    function("shop/goods:buy", BuyArgs, None, Kind.ACTION),
    function("shop:goods", NoArgs, int),
    function("shop:anything", AnyArgs, str),
    function("shop:sweep", NoArgs, None, Kind.MUTATION),
]


def compile_typescript(folder: Path, project: str = "tsconfig.json") -> str:
    """Return what the compiler complains of."""
    return run_node(node_modules() / "typescript/bin/tsc", "-p", project, folder=folder)


@pytest.fixture(scope="module")
def frontend(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a frontend with the types of the project's functions, and of those made up here."""
    folder = copy_clients(tmp_path_factory.mktemp("frontend") / "clients") / "typed_app"
    call_command("codegen", out=folder / "convex")
    made_up = folder / "made_up/_generated"
    made_up.mkdir(parents=True)
    for name, text in generated(MADE_UP).items():
        (made_up / name).write_text(text)
    return folder


class TestTypes:
    @pytest.mark.parametrize("project", ["tsconfig.json", "tsconfig.convex-1-31.json"])
    def test_fit_a_frontend_and_refuse_its_marked_mistakes(
        self, frontend: Path, project: str
    ) -> None:
        """PLAT-C4: a mark on a line that compiles is an error too."""
        assert compile_typescript(frontend, project) == ""

    def test_name_functions_as_the_server_does(self, frontend: Path) -> None:
        said = run_node(frontend / "names.js", folder=frontend)

        assert json.loads(said) == ["shop:goods", "shop/goods:show", "shop:sweep"]

    @pytest.mark.parametrize(
        ("unknown", "named"),
        [
            (datetime, "DateTimeType"),
            (dict[int, str], "DictType"),
            (tuple[int, str], "TupleType"),
            (Row, "Row"),
        ],
    )
    def test_are_refused_for_values_that_clients_do_not_have(
        self, unknown: Any, named: str
    ) -> None:
        page = msgspec.defstruct("Page", [("at", list[unknown])])

        with pytest.raises(UnsupportedTypeError) as refused:
            generated([function("shop:open", NoArgs, page)])

        assert str(refused.value) == (
            f"shop:open returns {named} in at: Convex clients have no such values."
        )


class TestCodegen:
    def test_writes_what_another_process_would(self, tmp_path: Path) -> None:
        # Not this process, in which tests have declared functions of their own.
        written = manage("codegen", "--out", str(tmp_path), PYTHONHASHSEED="1")
        checked = manage("codegen", "--out", str(tmp_path), "--check", PYTHONHASHSEED="2")

        assert (written.returncode, written.stderr) == (0, "")
        assert (checked.returncode, checked.stderr) == (0, "")
        assert {path.name for path in (tmp_path / "_generated").iterdir()} == FILES

    def test_leaves_alone_what_it_checks_and_says_that_it_is_out_of_date(
        self, tmp_path: Path
    ) -> None:
        call_command("codegen", out=tmp_path)
        stale = tmp_path / "_generated/api.d.ts"
        stale.write_text("export declare const api: {};")

        with pytest.raises(CommandError, match=r"_generated: api\.d\.ts: not up to date"):
            call_command("codegen", out=tmp_path, check=True)

        assert stale.read_text() == "export declare const api: {};"

    def test_writes_nothing_where_it_only_checks(self, tmp_path: Path) -> None:
        with pytest.raises(CommandError, match="not up to date"):
            call_command("codegen", out=tmp_path, check=True)

        assert list(tmp_path.iterdir()) == []

    def test_says_where_it_cannot_write(self, tmp_path: Path) -> None:
        taken = tmp_path / "convex"
        taken.write_text("")

        with pytest.raises(CommandError, match=f"--out: {taken}/_generated.*: Not a directory"):
            call_command("codegen", out=taken)


class TestFunctionSpec:
    def test_is_what_convex_prints(self) -> None:
        printed = StringIO()
        call_command("function_spec", url="https://dust.example.com", stdout=printed)

        told = json.loads(printed.getvalue())
        by_name = {each["identifier"]: each for each in told["functions"]}
        assert told["url"] == "https://dust.example.com"
        assert by_name["users.js:getByClerkId"]["args"] == an_object(clerkId={"type": "string"})
        assert by_name["gameSessions.js:create"] == {
            "args": an_object(),
            "functionType": "Mutation",
            "identifier": "gameSessions.js:create",
            "returns": {"type": "id", "tableName": "gameSessions"},
            "visibility": {"kind": "public"},
        }
        assert by_name["users.js:deleteFromClerk"]["visibility"] == {"kind": "internal"}

    def test_says_of_every_kind_of_value_what_convex_says(self) -> None:
        spec = function_specs(MADE_UP)[0]

        assert spec["identifier"] == "shop/goods.js:show"
        fields = {name: field["fieldType"] for name, field in spec["returns"]["value"].items()}
        ids = {"type": "union", "value": [{"type": "id", "tableName": "goods"}, {"type": "null"}]}
        numbers = {"type": "array", "value": {"type": "number"}}
        assert fields["large"] == {"type": "bigint"}
        assert fields["data"] == {"type": "bytes"}
        assert fields["mode"] == {"type": "union", "value": [literal("race"), literal("coop")]}
        assert fields["ids"] == {"type": "array", "value": ids}
        assert fields["counts"] == {
            "type": "record",
            "keys": {"type": "string"},
            "values": {"fieldType": numbers, "optional": False},
        }
        optional = {name for name, field in spec["args"]["value"].items() if field["optional"]}
        assert optional == {"preset", "late"}


class TestRestClient:
    def test_is_typed_by_the_schema(self, tmp_path: Path) -> None:
        folder = copy_clients(tmp_path / "clients") / "rest_app"
        call_command("spectacular", file=str(folder / "schema.yaml"))
        generator = node_modules() / "openapi-typescript/bin/cli.js"
        run_node(generator, "schema.yaml", "-o", "rest.d.ts", folder=folder)

        assert compile_typescript(folder) == ""
