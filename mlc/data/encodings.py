"""Detection of the encoding of text files."""

from __future__ import annotations

import codecs
import re

from charset_normalizer import from_bytes

from mlc.config.errors import DataError

_MARKS = (
    # The mark of UTF-32 begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# The most common first; the first of several that fit equally well is taken.
_CANDIDATES = (
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257",
    "cp932", "gb18030", "big5", "euc_jp", "cp949", "koi8_r",
)  # fmt: skip
# Frequent letters of the Latin encodings, and symbols that all of them have.
_LETTERS = {
    "cp1252": "äöüßéèàçñáíóúêâôîûåæøãõœ",
    "cp1250": "ěščřžýáíéůúóąęłśżźćńőűöüä",
    "cp1254": "ğışçöüâî",
    "cp1257": "āčēģīķļņšūžąęėįųõäöü",
}
_SYMBOLS = "‘’‚“”„†‡•…‰‹›–—€™£¥§©«»®°±²³´µ·¼½¾¿¡¢×÷\xa0"  # noqa: RUF001
_ENOUGH = 65_536


def decode(content: bytes, where: str, encoding: str | None = None) -> tuple[str, tuple[str, ...]]:
    """Decode a file; return its text and notes on a detected encoding.

    UTF-8 and encodings given by a byte order mark need no note.

    Args:
        content: the bytes of the file.
        where: the file, for messages.
        encoding: Python's name of the encoding; None detects it.

    Raises:
        DataError: the bytes are not valid in the given encoding, or in that of the byte order mark.
    """
    from_mark = next((name for mark, name in _MARKS if content.startswith(mark)), None)
    given = encoding or from_mark
    if given is not None and given.lower().replace("_", "-") not in ("utf-8", "utf8"):
        try:
            return content.decode(given).removeprefix("\ufeff"), ()
        except (UnicodeDecodeError, LookupError) as error:
            raise DataError(
                f"{where} is not in the encoding {given} that"
                f" {'data.encoding' if encoding else 'its first bytes'} states: save it as UTF-8."
            ) from error
    wide = _without_mark(content)
    if wide is not None:
        return content.decode(wide), (f"Read as {wide.upper()}, which has no mark at its start.",)
    try:
        return content.decode("utf-8-sig"), ()
    except UnicodeDecodeError as error:
        if encoding is not None:
            raise DataError(
                f"{where} is not in the encoding {encoding} that data.encoding states: save it as"
                " UTF-8."
            ) from error
    detected = _detected(content)
    note = f"Not in UTF-8: read as {detected}; data.encoding=NAME states another."
    return content.decode(detected), (note,)


def _without_mark(content: bytes) -> str | None:
    """Detect UTF-16 without a mark: every second byte of common characters is 0."""
    if len(content) % 2 or b"\0" not in content[:_ENOUGH]:
        return None
    sample = content[:_ENOUGH]
    zeros = {"utf-16-le": sample[1::2].count(0), "utf-16-be": sample[::2].count(0)}
    best, other = sorted(zeros, key=lambda name: -zeros[name])
    if zeros[best] < 4 or zeros[best] * 20 < len(sample) / 2 or zeros[other] * 10 > zeros[best]:
        return None
    try:
        text = content.decode(best)
    except UnicodeDecodeError:
        return None
    return best if "\n" in text or "\r" in text else None


def _detected(content: bytes) -> str:
    """Detect the encoding by the lines with non-ASCII characters; Latin-1 if none fits."""
    fits = [name for name in _CANDIDATES if _decodes(content, name)]
    if not fits:
        return "latin-1"
    sample = _sample(content, fits)
    japanese = [name for name in ("cp932", "euc_jp") if name in fits]
    japanese = [name for name in japanese if _share_of_kana(sample.decode(name)) > 0.3]
    if japanese:
        return japanese[0]
    best = from_bytes(sample, cp_isolation=fits, enable_fallback=False).best()
    guess = best.encoding if best is not None and best.encoding in fits else fits[0]
    # The Latin encodings differ in their frequent letters; without letters it is cp1252.
    latin = [name for name in _LETTERS if name in fits]
    familiar = {name: _familiar(sample.decode(name), _LETTERS[name]) for name in latin}
    if latin and (guess in _LETTERS or familiar[latin[0]] == 1):
        return max(latin, key=lambda name: familiar[name])
    return guess


def _sample(content: bytes, fits: list[str]) -> bytes:
    """Join distinct lines with non-ASCII characters, up to about `_ENOUGH` bytes."""
    # In no candidate is a line end part of a character.
    lines, size = [], 0
    for line in dict.fromkeys(line for line in content.splitlines() if not line.isascii()):
        lines.append(line)
        size += len(line)
        if size > _ENOUGH:
            break
    sample = b"\n".join(lines)
    return sample if all(_decodes(sample, name) for name in fits) else content


def _decodes(content: bytes, name: str) -> bool:
    try:
        content.decode(name)
    except UnicodeDecodeError:
        return False
    return True


def _share_of_kana(text: str) -> float:
    return len(re.findall("[\u3041-\u30fe]", text)) / max(1, len(re.findall(r"[^\x00-\x7f]", text)))


def _familiar(text: str, letters: str) -> float:
    """Return the share of non-ASCII characters that are frequent in an encoding's languages."""
    beyond = [char for char in text if not char.isascii()]
    known = {*letters, *letters.upper(), *_SYMBOLS}
    return sum(char in known for char in beyond) / max(1, len(beyond))
