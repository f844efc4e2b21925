from dust.livequery.context import MutationContext, QueryContext
from dust.livequery.registry import mutation, query
from dust.livequery.shapes import Args, NoArgs
from tests.messages_example.models import Message


class Said(Args, frozen=True):
    text: str
    author: str


class Shown(Said, frozen=True, rename={"id": "_id"}):
    id: str


@query("messages:list")
def list_messages(ctx: QueryContext, args: NoArgs) -> list[Shown]:
    newest = Message.objects.order_by("-id")[:100]
    return [Shown(each.text, each.author, str(each.id)) for each in newest]


@mutation("messages:send")
def send(ctx: MutationContext, args: Said) -> None:
    Message.objects.create(text=args.text, author=args.author)
