"""The sentences of a Markdown page: what carries each, and what in it needs to be carried.

A number from stored rows is quoted as `<!--=EXPERIMENT.NAME-->value<!--/-->`. A claim marker,
`<!--: CARRIER; CARRIER -->`, names what carries the rest of a sentence (`claims.py` has the forms). It
stands in its sentence or right behind it; on a line of its own it carries the block that follows, a
paragraph, a list or a table, up to the next blank line.

Not read as claims, by these rules alone:

- code blocks, code spans and formulas; link targets; pictures, which show stored files;
- blocks between `<!-- begin X -->` and `<!-- end X -->`, which a generator writes;
- headings, the first row of a table, and the numbers of list items, statements (`**7.`) and sections;
- digits in names (F1, float32, 2^K), in dates, in the codes "0 and 1" and the range "[0, 1]";
- comparatives in the phrases of `NO_COMPARISON`, which describe a procedure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARATIVES = """
    more most less least fewer fewest better best worse worst faster fastest slower slowest
    higher highest lower lowest larger largest smaller smallest greater greatest longer longest
    shorter shortest wider widest narrower narrowest stronger strongest weaker weakest easier easiest
    harder hardest cheaper cheapest rarer rarest closer closest earlier simpler simplest
    ahead behind outperform outperforms beat beats lead leads trail trails gain gains lose loses
    improve improves exceed exceeds twice than superior inferior surpass surpasses surpassed outrun
    outruns outdo outdoes winner wins won beaten quicker quickest doubles doubled halves halved twofold
    threefold tenfold optimal poorer poorest richer quarter
    led leading trailing gained gaining lost losing improved improving improvement improvements
    exceeded exceeding outperformed outperforming beating winning outclass outclasses outclassed
    dominate dominates dominated bigger biggest safer safest tighter tightest sharper sharpest steeper
    flatter smoother cleaner deeper nearer sooner preferable unbeaten triple tripled triples
"""
# Numbers and comparisons in words.
_PHRASES = (
    r"(?:two|three|four|five|six|seven|eight|nine|ten|several|many) times",
    r"(?:a|one|two|three|four) (?:half|thirds?|quarters?|fifths?|tenths?)",
    r"half (?:of|the|as|a)",
    r"(?:above|below) (?:that|those|sigmoids?|softmax(?:es)?|the (?:interval|mean|best))",
    r"level with|on a par",
)
COMPARATIVE = re.compile(rf"\b({'|'.join([*_COMPARATIVES.split(), *_PHRASES])})\b", re.IGNORECASE)
# Limits ("at least 2", whose digit counts all the same), continuations, differences ("A less that of
# B"), and what a procedure picks.
NO_COMPARISON = re.compile(
    r"\b(?:at (least|most|best|worst)|(no|any) longer|more than (one|a single|once)"
    r"|(one|two|three|once|nothing|one or) more|more and more|(left|right) behind|ahead of time"
    r"|(an)?other (\w+ )?than|rather than|lower case|least squares"
    r"|less (that|those|plain|sigmoid)|leading axes"
    r"|(?<!has the )(?<!have the )(?<!gives the )(?<!reaches the )(?<!gets the )(?<!shows the )"
    r"(?<!finds the )"
    r"(best|worst|highest|lowest|largest|smallest|least|longest|shortest)"
    r" (\w+ )?(scores?|epochs?|values?|thresholds?|weights|index|labels?|sets?)"
    r"|most (frequent|probable) ((seen|label|training) )*(sets?|labels?|ones)|longest (cohort )?first\b)"
    r"|^\W*More( on|:)",
    re.IGNORECASE,
)
# Digits in a name are no number: F1, float32, 2^K, tmc2007-500. Units may follow: 5x, 20ms, 10k, 16GB.
_UNITS = r"e-?\d+|x|fold|k|M|pp|[mn]?s|h|min|[KMGT]i?B"
_DIGIT = re.compile(
    rf"(?<![\w^.])(?<!\w-)[+\-±~<>]?\.?\d[\d,.]*(?:%|(?:{_UNITS})?\b)(?![\^_A-Za-z])|[¼½¾⅓⅔]"
)
# The codes of labels and the range of scores.
_CODES = re.compile(r"\b(0(/| and | or )1|1 and 0)\b|[\[(]0, 1[\])]")
_DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")
_QUOTED = re.compile(r"<!--=([\w.]+)-->(.*?)<!--/-->", re.DOTALL)
_CLAIM = re.compile(r"<!--:\s+(.*?)\s*-->", re.DOTALL)
_UNREAD = re.compile(
    r"^ *```.*?^ *```$|<!-- begin ([\w.]+) -->.*?<!-- end \1 -->", re.MULTILINE | re.DOTALL
)
_ITEM = re.compile(r"^\s*(?:[-*+]|\d+\.)\s+")
_END = re.compile(
    r"(?<=[.!?])(?<!e\.g\.)(?<!i\.e\.)(?<!et al\.)(?<!vs\.)[)\"'*]*\s+(?=[\"'(*\[`A-Z0-9$±\x01\x02])"
)
# While a block is divided, a quoted number and a claim marker are an index between control characters.
_NUMBER, _MARKER = re.compile(r"\x01(\d+)\x01"), re.compile(r"\x02(\d+)\x02")
_ALONE = re.compile(r"(?:\x02\d+\x02\s*)+")


@dataclass(frozen=True)
class Sentence:
    """A sentence or a row of a table.

    Attributes:
        text: as a reader sees it.
        quoted: names and values of the numbers from stored rows.
        carriers: what the claim markers name.
        bare: numbers and comparatives outside of quoted numbers.
    """

    text: str
    quoted: tuple[tuple[str, str], ...]
    carriers: tuple[str, ...]
    bare: tuple[str, ...]

    @property
    def is_carried(self) -> bool:
        """Return whether something carries each number and comparative."""
        return bool(self.carriers) or not self.bare


def claims_of(page: str) -> list[Sentence]:
    """Return the sentences and table rows of a page that hold a number or a comparative."""
    found = [sentence for block in _blocks(page) for sentence in _sentences(block)]
    return [sentence for sentence in found if sentence.quoted or sentence.bare]


def misplaced(page: str) -> list[str]:
    """Return the lines whose marker would end a paragraph on GitHub.

    A line of a paragraph must not begin with a comment, nor one within a comment with a sign that
    begins a list or a quotation.
    """
    text = _UNREAD.sub("", page)
    lines = text.splitlines()
    begun = [
        line
        for before, line in zip(["", *lines], lines, strict=False)
        if line.lstrip().startswith("<!--")
        and before.strip()
        and not before.lstrip().startswith(("<!--", "#"))
    ]
    within = [line for marker in _CLAIM.findall(text) for line in marker.splitlines()[1:]]
    return begun + [line for line in within if not line.lstrip()[:1].isalpha()]


def _blocks(page: str) -> Iterator[str]:
    """Yield each block without its headings and what is not read."""
    for block in re.split(r"\n\s*\n", _UNREAD.sub("\n\n", page)):
        lines = [line for line in block.splitlines() if not re.match(r"#+ ", line)]
        if any(lines):
            yield "\n".join(lines)


def _sentences(block: str) -> Iterator[Sentence]:
    """Yield the sentences of a block; markers on lines of their own carry all of them."""
    quoted, markers = _QUOTED.findall(block), _CLAIM.findall(block)
    numbers, claims = iter(range(len(quoted))), iter(range(len(markers)))
    block = _QUOTED.sub(lambda _: f"\x01{next(numbers)}\x01", block)
    block = _CLAIM.sub(lambda _: f"\x02{next(claims)}\x02", block)
    lines = re.sub(r"<!--.*?-->", "", block, flags=re.DOTALL).splitlines()
    alone = [line for line in lines if _ALONE.fullmatch(line.strip())]
    for unit in _units([line for line in lines if line not in alone]):
        # A marker right behind a full stop belongs to the sentence before it; a row is not divided.
        unit = re.sub(r"([.!?:][)\"'*]*)\s*((?:\x02\d+\x02)+)", r"\2\1", unit)
        for part in [unit] if unit.startswith("|") else _END.split(unit):
            carriers = [markers[int(i)] for i in _MARKER.findall("".join([part, *alone]))]
            yield _sentence(part, quoted, carriers)


def _units(lines: list[str]) -> list[str]:
    """Divide a block into paragraphs, list items and table rows, without the first row of a table."""
    units: list[str] = []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith("|"):
            if not re.fullmatch(r"\|[|:\- ]+", line) and not re.fullmatch(r"\|[|:\- ]+", following):
                units.append(line)
        elif _ITEM.match(line) or not units:
            units.append(_ITEM.sub("", line))
        else:
            units[-1] += f"\n{line}"
    return units


def _sentence(part: str, numbers: list[tuple[str, str]], markers: list[str]) -> Sentence:
    quoted = [numbers[int(index)] for index in _NUMBER.findall(part)]
    carriers = [" ".join(each.split()) for marker in markers for each in re.split(r";\s", marker)]
    prose = _prose(_NUMBER.sub(" ", _MARKER.sub(" ", part)))
    bare = _DIGIT.findall(prose) + [
        m[0] for m in COMPARATIVE.finditer(NO_COMPARISON.sub(" ", prose))
    ]
    text = _NUMBER.sub(lambda m: numbers[int(m[1])][1], _MARKER.sub("", part))
    text = " ".join(re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text).split())
    return Sentence(text.strip("| "), tuple(quoted), tuple(carriers), tuple(bare))


def _prose(text: str) -> str:
    """Return the words that are read: no code, formulas, link targets, pictures, dates and numbering."""
    text = re.sub(r"\$?`[^`]*`\$?", " ", " ".join(text.split()))
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", " ", text)
    text = re.sub(r"\]\([^)]*\)", "] ", text)
    text = re.sub(r"^\s*\*\*\d+\.", " ", text)
    text = re.sub(r"\b([Ss]tatements?|[Ss]ections?) \d+((, \d+)* and \d+)?", r"\1", text)
    return _CODES.sub(" ", _DATE.sub(" ", re.sub(r"</?[A-Za-z!][^>]*>", " ", text)))
