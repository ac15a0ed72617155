"""From facts to a PDF: the same facts always give the same bytes.

Facts reach the template as JSON and are shown as text, never read as markup.
"""

import json
import unicodedata
from collections import defaultdict
from datetime import date, datetime, time
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import typst

from models.contracts.people import Language
from models.rules.money import tenge

TEMPLATES = Path(__file__).parent / "templates"

ARCHIVAL = "a-2a"
"""PDF/A-2a, made to be kept: fonts inside, text that can be searched and read aloud."""

UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
"""Control and format characters: one of them can turn the order of a line round and fake what it says."""


def print_pdf(kind: str, number: str, facts: dict[str, Any]) -> bytes:
    """The document as PDF, in the language and with the date that the facts name; `kind` names its template.

    A character that no font here has (an emoji) is shown as a box. PDF/A allows no such box, so that document
    becomes plain PDF.

    Raises:
        RuntimeError: the template does not fit the facts. The message says nothing of what they are.
    """
    language = Language(facts["language"])
    shown = {name: _printed(name, value, language) for name, value in {**facts, "number": number}.items()}
    data = json.dumps(shown, ensure_ascii=False)
    made_at = _midnight(facts)
    try:
        return _compiled(kind, data, made_at, [ARCHIVAL])
    except typst.TypstError:
        pass
    try:
        return _compiled(kind, data, made_at, [])
    except typst.TypstError:
        # typst quotes the text that it stumbled over, and that may be a person's name.
        raise RuntimeError(f"{kind} {number} can't be printed: compile its template to see why") from None


def _midnight(facts: dict[str, Any]) -> int:
    """The time of creation that the PDF carries: the beginning of its date, in seconds since 1970."""
    day = date.fromisoformat(facts["drawn_up_on"])
    return int(datetime.combine(day, time(), ZoneInfo(facts["operator"]["timezone"])).timestamp())


_AT_REST: defaultdict[str, list[typst.Compiler]] = defaultdict(list)
"""Compilers of each template that nobody uses just now: one does a document at a time, and keeps what it has read."""


def _compiled(kind: str, data: str, made_at: int, standards: list[Any]) -> bytes:
    compiler = _compiler(kind)
    try:
        pdf = compiler.compile(sys_inputs={"facts": data}, pdf_standards=standards, timestamp=made_at)
    finally:
        _AT_REST[kind].append(compiler)
    assert isinstance(pdf, bytes), "a PDF is one file"
    return pdf


def _compiler(kind: str) -> typst.Compiler:
    try:
        return _AT_REST[kind].pop()
    except IndexError:
        return typst.Compiler(TEMPLATES / f"{kind}.typ", root=TEMPLATES, font_paths=_fonts())


@cache
def _fonts() -> typst.Fonts:
    """Only the fonts inside typst: those of the machine would make other bytes elsewhere."""
    return typst.Fonts(include_system_fonts=False)


def _printed(name: str, value: Any, language: Language) -> Any:
    """A fact as a person reads it. The end of its name says what it is."""
    if isinstance(value, dict):
        return {key: _printed(key, item, language) for key, item in value.items()}
    if isinstance(value, list):
        return [_printed(name, item, language) for item in value]
    if isinstance(value, str):
        return date.fromisoformat(value).strftime("%d.%m.%Y") if name.endswith("_on") else _clean(value)
    if isinstance(value, int) and name.endswith("_minor"):
        return tenge(value)
    return _decimal(value, language) if isinstance(value, float) else value


def _decimal(value: float, language: Language) -> str:
    text = f"{value:.2f}".rstrip("0").rstrip(".").replace("-", "−")
    return text if language is Language.EN else text.replace(".", ",")


def _clean(text: str) -> str:
    """Text in composed letters (й as one character), on one line, without what can't be printed."""
    spaced = " ".join(unicodedata.normalize("NFC", text).split())
    return "".join(character for character in spaced if unicodedata.category(character) not in UNPRINTABLE)
