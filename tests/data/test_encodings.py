"""Texts in the encodings that people have."""

from __future__ import annotations

import pytest

from mlc.config.errors import DataError
from mlc.data.encodings import decode

TEXTS = {
    "cp1252": ["“wet”,5€", "Größe über Straße", "élève à l'école française", "señor año mañana"],
    "cp1250": ["dziś pada, zażółć gęślą jaźń", "příliš žluťoučký kůň úpěl ďábelské ódy"],
    "cp1251": ["дождь идёт на холме весь день, солнце светит над дорогой сегодня"],
    "cp1253": ["βρέχει στον λόφο όλη μέρα, ο ήλιος λάμπει"],
    "cp1254": ["bugün yağmur yağıyor çok soğuk, güneş ışıldıyor şimdi"],
    "cp932": ["今日は丘に雨が降っています、太陽が輝いています"],
    "euc_jp": ["今日は丘に雨が降っています、太陽が輝いています"],
    "gb18030": ["今天山上下雨了很冷,今天太阳很好路上很暖和"],
    "big5": ["今天山上下雨了很冷,今天太陽很好路上很暖和"],
    "cp949": ["오늘 언덕에 비가 내립니다, 해가 도로 위에 빛납니다"],
    "koi8_r": ["дождь идёт на холме весь день, солнце светит над дорогой сегодня"],
    "utf-16-le": ["rain,wet", "дождь идёт"],
    "utf-16-be": ["今天山上下雨了很冷,湿"],
}
CASES = [(encoding, text) for encoding, texts in TEXTS.items() for text in texts]


@pytest.mark.parametrize(("encoding", "text"), CASES)
def test_an_encoding_is_detected_and_said(encoding: str, text: str) -> None:
    written = f"text,tags\n{text}\n" * 5
    found, notes = decode(written.encode(encoding), "toy.csv")
    assert found == written
    assert encoding in notes[0].lower()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_what_is_sure_needs_no_note(encoding: str) -> None:
    assert decode("text\nnaß день\n".encode(encoding), "toy.csv") == ("text\nnaß день\n", ())


def test_a_stated_encoding_holds() -> None:
    assert decode("naß".encode("cp1252"), "toy.csv", "cp850") == ("na\u2580", ())
    for content, encoding in (("naß".encode("cp1252"), "utf-8"), (b"\xff\xfea", None)):
        with pytest.raises(DataError, match=r"toy.csv is not in the encoding utf-\d+ .*: save it"):
            decode(content, "toy.csv", encoding)
