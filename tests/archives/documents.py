"""Documents that are good as they stand; each takes what is to be different."""

from typing import Any

from archives.rules import checking
from archives.rules import content as rules

Json = dict[str, Any]

PROJECT = "desert"


def page(**changed: Any) -> Json:
    """Return a page with all optional fields given one way or another."""
    return {
        "pageId": "9f86d081884c7d65",
        "url": "https://example.com/a",
        "title": "Lighthouses",
        "capturedAt": "2026-02-15T01:02:03.456789+00:00",
        "html": "<p>There are lighthouses.</p>",
        "elements": [
            {
                "elementId": "1a2b3c4d5e6f",
                "tag": "p",
                "text": "There are lighthouses.",
                "src": None,
                "srcset": None,
                "alt": None,
                "href": None,
                "bbox": None,
            },
            {
                "elementId": "f6",
                "tag": "img",
                "bbox": {"x": 0, "y": 1.5, "width": 300, "height": 200.25},
            },
        ],
        "assets": [
            {"src": "https://example.com/i.png", "alt": None, "srcset": None, "elementId": "f6"}
        ],
        "styles": [],
        "tags": ["wiki"],
        "projectId": PROJECT,
    } | changed


def level(**changed: Any) -> Json:
    """Return a level; ``mutationParams`` may be changed in part."""
    params = {"fakeRate": 0.05, "subtlety": 0.1, "maxFakeSpans": 1}
    params |= changed.pop("mutationParams", {})
    return {
        "levelId": f"{PROJECT}_level_01",
        "projectId": PROJECT,
        "difficulty": 1,
        "pageIds": ["9f86d081884c7d65"],
        "mutationParams": params,
    } | changed


def mark(**changed: Any) -> Json:
    """Return what is false in a variant."""
    return {
        "kind": "FAKE",
        "elementId": "e1",
        "snippet": "sixty kilometres tall",
        "explanation": "No lighthouse is.",
    } | changed


def variant(**changed: Any) -> Json:
    """Return a variant with one lie in it."""
    return {
        "variantId": "a1b2c3d4e5f60718",
        "pageId": "9f86d081884c7d65",
        "levelId": f"{PROJECT}_level_01",
        "difficulty": 1,
        "alteredContent": '<p data-element-id="e1">It is sixty kilometres tall.</p>',
        "fakeMarks": [mark()],
        "projectId": PROJECT,
    } | changed


def section(number: int, **changed: Any) -> Json:
    """Return a section of a playable page."""
    return {
        "id": f"s{number}",
        "text": f"This is number {number}.",
        "isTrue": True,
        "category": "body",
        "decayOrder": 2,
        "archiveCost": 1,
    } | changed


def playable(**changed: Any) -> Json:
    """Return a playable page, two of whose three sections are true."""
    return {
        "id": "demo-news-1",
        "title": "A lighthouse in the desert",
        "contentType": "news",
        "author": "Ada",
        "date": "1 March 2026",
        "url": "https://example.com/desert",
        "difficulty": 3,
        "decayDuration": 55,
        "sections": [
            section(1),
            section(2, isTrue=False, falseReason="There is no sea.", dateIssue="It was Tuesday."),
            section(3, imageSrc="https://example.com/i.png", imageAlt="A lamp", archiveCost=0),
        ],
        "factCheckData": {
            "sourceCredibility": 72,
            "dateAccuracy": False,
            "emotionalLanguageScore": 12.5,
            "crossReferenceHits": ["Nothing was found."],
            "authorHistory": "New here.",
        },
    } | changed


def content(**changed: Any) -> Json:
    """Return a playable page as it is shipped; what is no field of that is one of the page's."""
    envelope = {name: changed.pop(name) for name in ("key", "isDemo") if name in changed}
    inner = changed.pop("content", None) or playable(**changed)
    return {"key": inner["id"], "isDemo": False, "content": inner} | envelope


def item(**changed: Any) -> Json:
    """Return a section that somebody archived."""
    return {
        "sectionText": "There are lighthouses.",
        "wasCorrect": True,
        "level": 3,
        "contentType": "wiki",
    } | changed


def read_page(**changed: Any) -> rules.Page:
    return checking.read(rules.Page, page(**changed))


def read_level(**changed: Any) -> rules.Level:
    return checking.read(rules.Level, level(**changed))


def read_variant(**changed: Any) -> rules.Variant:
    return checking.read(rules.Variant, variant(**changed))


def read_content(**changed: Any) -> rules.Content:
    return checking.read(rules.Content, content(**changed))


def read_items(*items: Json) -> rules.Items:
    return checking.read(rules.Items, {"items": list(items)})


def snake(document: Any) -> Any:
    """Return a document under the names that REST gives its fields."""
    match document:
        case dict():
            return {checking.snake(name): snake(value) for name, value in document.items()}
        case list():
            return [snake(value) for value in document]
        case _:
            return document
