"""The page's markup: whole, all of it our own, and with a policy that fits it."""

import base64
import hashlib
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from html.parser import HTMLParser
from typing import Any

import pytest

from milter64.mail.clean_text import clean
from milter64.pages.document import Document, Section, Table
from milter64.pages.html import page
from rig.documents import DOCUMENT, HOSTILE

VOID = {"link", "meta"}
"""Elements without an end."""


class Read(HTMLParser):
    """Reads a page, and holds it to ends for all that begins."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs)
        if tag not in VOID or tag == "rect":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def of(self, tag: str) -> str:
        return "".join(text for inside, text in self.texts if inside == tag)


def _tainted(thing: object) -> Any:  # noqa: ANN401  the same as it was given
    """Return a document with a stranger's words for each text in it."""
    if isinstance(thing, str) and not isinstance(thing, Enum):
        return thing and HOSTILE
    if isinstance(thing, tuple):
        return tuple(map(_tainted, thing))
    if is_dataclass(thing) and not isinstance(thing, type):
        values = {each.name: getattr(thing, each.name) for each in fields(thing)}
        return replace(thing, **{name: value if name == "kind" else _tainted(value) for name, value in values.items()})
    return thing


def test_all_that_begins_has_an_end() -> None:
    assert Read(page(DOCUMENT)).open == []


def test_no_word_of_a_document_becomes_markup() -> None:
    ours, theirs = (
        [
            (tag, attributes.keys()) for tag, attributes in Read(text).elements if tag != "text"
        ]  # of long labels fewer fit
        for text in (page(DOCUMENT, {"a": "b"}), page(_tainted(DOCUMENT), {HOSTILE: HOSTILE}))
    )
    assert theirs == ours


def test_every_word_of_a_document_is_cleaned() -> None:
    text = page(_tainted(DOCUMENT))
    assert text.replace("\n", "").isprintable()
    assert text.isascii()
    assert "".join(part for _, part in Read(text).texts).count(clean(HOSTILE)) > 40


def test_nothing_has_a_style_or_a_handler_or_comes_from_elsewhere() -> None:
    for tag, attributes in Read(page(DOCUMENT)).elements:
        assert not any(name == "style" or name.startswith("on") for name in attributes)
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith("#") or (tag, attributes["href"]) == ("link", "data:,")


@pytest.mark.parametrize("tag", ["style", "script"])
def test_the_policy_allows_what_is_in_the_page_alone(tag: str) -> None:
    read = Read(page(DOCUMENT))
    policy = next(each["content"] for _, each in read.elements if each.get("http-equiv") == "Content-Security-Policy")
    digest = base64.b64encode(hashlib.sha256(read.of(tag).encode()).digest()).decode()
    assert policy
    assert f"{tag}-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    assert [name for name, _ in read.elements].count(tag) == 1


def test_cells_that_are_no_text_say_what_they_are_sorted_by() -> None:
    by = [each.get("data-by") for tag, each in Read(page(_of_senders())).elements if tag == "td"]
    assert by == [
        *(None, "1200", "1780000000.0", "300.0"),
        *(None, "9", "1780003600.0", "86400.0"),
        *(None, "80", None, "60.0"),
    ]


def _of_senders() -> Document:
    (senders,) = (section for section in DOCUMENT.sections if isinstance(section.content, Table))
    return replace(DOCUMENT, sections=(senders,))


def test_ids_are_unique_and_all_that_is_named_is_there() -> None:
    elements = [attributes for _, attributes in Read(page(DOCUMENT)).elements]
    ids = [each["id"] for each in elements if "id" in each]
    assert len(set(ids)) == len(ids)
    named = {each[name] for each in elements for name in ("aria-labelledby", "aria-describedby") if name in each}
    jumps = {(each["href"] or "").removeprefix("#") for each in elements if (each.get("href") or "").startswith("#")}
    assert named
    assert jumps
    assert named | jumps <= set(ids)


def test_the_same_document_gives_the_same_page() -> None:
    assert page(DOCUMENT) == page(DOCUMENT)


def test_a_page_names_the_pages_beside_it() -> None:
    links = [each["href"] for tag, each in Read(page(_of_senders(), {"Audit": "audit"})).elements if tag == "a"]
    assert links == ["audit"]


def test_a_document_of_nothing_is_a_page() -> None:
    assert Read(page(replace(DOCUMENT, sections=(Section(title="Nothing"),)))).of("h2") == "Nothing"
