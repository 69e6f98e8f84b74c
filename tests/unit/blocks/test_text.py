"""Untrusted text: all of it visible, none of it active, cut where one can see it."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.blocks.lookalikes import in_payload, in_text, notices
from bot.blocks.payload import chunks, excerpt, leaves, written
from bot.blocks.text import clip_bytes, escape, head, inert, is_hidden, pieces, shown, units
from tests.unit.blocks.hostile import payloads, texts
from tests.unit.blocks.limits import fallback_faults


@given(st.text())
def test_threat_16_nothing_invisible_is_left_in_what_is_shown(text: str) -> None:
    visible = "".join(pieces(text))
    joiners = {"\u200d", "\ufe0f"}  # inside an emoji only
    assert not any(is_hidden(char) and char not in joiners for char in visible)
    assert not any(unicodedata.category(char) in ("Cc", "Co", "Cs") for char in visible)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("abc\u202egpj.exe", "abc⟦U+202E⟧gpj.exe"),
        ("a\u200bb", "a⟦U+200B⟧b"),
        ("a\x00b\n", "a⟦U+0000⟧b⟦U+000A⟧"),
        ("\U000e0041", "⟦U+E0041⟧"),
        ("\ue000", "⟦U+E000⟧"),
        ("a\u00a0b", "a⟦U+00A0⟧b"),
        ("⟦U+0041⟧", "⟦U+27E6⟧U+0041⟧"),
        ("👩‍👩‍👧 ❤️", "👩‍👩‍👧 ❤️"),
        ("a\u200db", "a⟦U+200D⟧b"),
        ("a\ufe0f", "a⟦U+FE0F⟧"),
        ("Zürich, Łódź, 東京, नमस्ते", "Zürich, Łódź, 東京, नमस्ते"),
        ("e\u0301\u0301\u0301\u0301", "e\u0301\u0301\u0301⟦U+0301⟧"),
    ],
    ids=ascii,
)
def test_threat_16_hidden_characters_are_named(text: str, seen: str) -> None:
    assert "".join(pieces(text)) == seen


@given(st.one_of(st.text(), texts), st.integers(40, 300))
def test_a_cut_says_how_much_is_missing_and_stays_within_its_limit(text: str, limit: int) -> None:
    found = shown(text, limit)
    assert units(found) <= limit
    whole = "".join(pieces(text))
    if found != whole:
        assert found.endswith((" more characters", " more character"))
        missing = int(found.rsplit("… ", 1)[1].split(" ", 1)[0].replace(",", ""))
        assert 0 < missing <= len(text)
    found.encode()  # no half of a surrogate pair


@pytest.mark.parametrize("whole", ["👩‍👩‍👧", "🇩🇪", "e\u0301", "👍🏽", "❤️"], ids=ascii)
def test_a_cut_never_splits_what_reads_as_one_character(whole: str) -> None:
    text = whole * 30
    for limit in range(1, units(text)):
        cut = head(text, limit)
        if len(text) - cut.rest > len(whole):
            assert (len(text) - cut.rest) % len(whole) == 0


@given(st.one_of(st.text(), texts))
def test_threat_22_a_fallback_holds_no_markup_mention_or_link(text: str) -> None:
    assert list(fallback_faults("x" + clip_bytes(inert(text), 3_799))) == []


@given(st.text(alphabet="&<>a", max_size=80), st.integers(20, 100))
def test_a_cut_never_ends_inside_an_entity(text: str, limit: int) -> None:
    cut = clip_bytes(escape(text), limit)
    assert len(cut.encode()) <= limit
    bare = cut.removesuffix("…")
    assert escape(text).startswith(bare)
    assert list(fallback_faults("x" + cut)) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pay pаypal.com", "“pаypal.com” mixes Latin and Cyrillic letters (а is U+0430)"),
        ("αpple.com", "mixes Latin and Greek"),
        ("bob@раураӏ.com", "Cyrillic"),
        ("xn--pypal-4ve.com", "punycode), read as “pаypal.com”"),
        ("𝗉𝖺𝗒pal", "drawn as symbols"),
        ("a\u200bb", "1 character that cannot be seen"),
        ("e\u0301", "not in the usual Unicode form"),
        ("שלום", "from right to left"),
    ],
    ids=ascii,
)
def test_threat_16_look_alikes_are_named(text: str, said: str) -> None:
    assert any(said in what for what in in_text(text)), list(in_text(text))


@pytest.mark.parametrize(
    "text",
    [
        "Zürich",
        "Москва и Тверь",
        "Ελλάδα",
        "東京 Tokyo",
        "plain",
        "tom@example.com",
        "naïve café",
        "10 µm",
        "5 Ω",
    ],
)
def test_ordinary_words_are_not_suspected(text: str) -> None:
    assert list(in_text(text)) == []


def test_threat_17_keys_that_look_alike_are_named() -> None:
    found = in_payload({"café": 1, "cafe\u0301": 2})
    assert any("look alike and are different" in what for what in found)


def test_notices_are_few_and_count_the_rest() -> None:
    found = notices({f"k{n}": "pаypal.com" for n in range(50)}, ("Summary", None))
    assert len(found) == 7
    assert found[-1] == "… and 44 more like these"


# -- payloads ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "rows"),
    [
        ({"order": "881"}, ['order  "881"']),
        ({"order": 881}, ["order  881"]),
        ({"v": True, "w": None}, ["v  true", "w  null"]),
        ({"v": 1.0, "big": 1e22}, ["v    1.0", "big  1e+22"]),
        ({"a": {"b": [1, {"c": "x"}]}}, ["a.b[0]    1", 'a.b[1].c  "x"']),
        ({"a": {}, "b": [], "c": ""}, ["a  {}", "b  []", 'c  ""']),
        ({'quo"te': 'say "hi" \\'}, [r'["quo\"te"]  "say \"hi\" \\"']),
        ({"a.b": 1}, ['["a.b"]  1']),
        ({}, ["{}   (an empty object)"]),
        ({"t": "one\ntwo "}, ["t  text of 2 lines, 8 characters:", "┃ one", "┃ two⟦U+0020⟧"]),
        ({"t": "x\r\ny"}, ["t  text of 2 lines that end in CR LF, 4 characters:", "┃ x", "┃ y"]),
    ],
    ids=repr,
)
def test_a_payload_is_written_typed_and_aligned(payload: dict[str, object], rows: list[str]) -> None:
    assert written(payload) == rows


def test_threat_2_a_text_cannot_pass_itself_off_as_another_key() -> None:
    rows = written({"note": 'fine\namount  1"', "amount": 9_999})
    assert rows == ["note    text of 2 lines, 15 characters:", "┃ fine", '┃ amount  1"', "amount  9999"]


def test_threat_2_spaces_cannot_push_words_to_where_the_next_key_stands() -> None:
    (row,) = written({"note": "fine" + " " * 60 + "amount  1"})
    assert row == 'note  "fine⟦U+0020⟧×60amount  1"'


@given(payloads)
def test_threat_3_the_pieces_of_a_payload_hold_every_character(payload: dict[str, object]) -> None:
    rows = written(payload)
    found = list(chunks(rows, max_units=300))
    assert all(units(piece) <= 300 for piece in found)
    joined = "\n".join(found).replace("\n↪ ", "")
    assert joined == "\n".join(rows)


@given(payloads)
def test_an_excerpt_is_whole_or_says_that_it_is_not(payload: dict[str, object]) -> None:
    rows = written(payload)
    found = excerpt(payload, max_units=200, max_lines=5)
    assert found.whole is (found.text == "\n".join(rows))
    assert units(found.text) <= 240
    assert found.text.count("\n") + 1 + found.rest_lines == len(rows) or not found.text
    assert found.text.count("\n") < 5


@given(payloads)
def test_two_payloads_that_differ_never_read_the_same(payload: dict[str, object]) -> None:
    for leaf in leaves(payload):
        if isinstance(leaf.value, int) and not isinstance(leaf.value, bool):
            assert written({"v": leaf.value}) != written({"v": str(leaf.value)})


def test_a_very_long_path_is_written_once() -> None:
    rows = written({"k" * 500: {"a": 1, "b": {"c": 2}}})
    assert rows == ["§1    stands for " + "k" * 500, "§1.a  1", "§1.b.c  2"] or rows[0].startswith("§1")
    assert sum(row.count("k" * 500) for row in rows) == 1
