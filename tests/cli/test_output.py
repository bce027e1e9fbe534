from __future__ import annotations

import json

from zoo_cli import output
from zoo_cli.output import as_count, as_size, printable, table, width


def test_width_counts_places_not_characters() -> None:
    assert width("bert") == 4
    assert width("模型") == 4
    assert width("e\u0301") == 1  # e and a combining accent
    assert width("\uff41\uff42") == 4  # full-width letters


def test_columns_line_up_under_wide_characters() -> None:
    assert table([["模型", "a"], ["bert", "b"], ["x", "c"]]) == [
        "模型  a",
        "bert  b",
        "x     c",
    ]


def test_the_widest_column_gives_way_first() -> None:
    lines = table([["bert", "a" * 30, "b" * 15]], room=41)

    assert lines == [f"bert  {'a' * 17}…  {'b' * 15}"]


def test_the_last_columns_are_left_out_when_there_is_no_room() -> None:
    row = ["a-long-model-name", "fill-mask, feature-extraction", "a summary"]

    assert table([row], room=32) == ["a-long-model-name  fill-mask, f…"]
    assert table([row], room=20) == ["a-long-model-name"]
    assert table([row], room=5) == ["a-long-model-name"]  # the name is always whole


def test_a_wide_character_is_never_cut_in_half() -> None:
    (line,) = table([["x", "模型" * 10]], room=15)

    assert line == "x  模型模型模…"
    assert width(line) <= 15


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert printable("red\x1b[31m\nline") == "red [31m line"
    assert printable("模型 é") == "模型 é"


def test_numbers_for_people() -> None:
    assert [as_count(n) for n in (12, 4_500, 109_514_298, 2 * 10**9)] == [
        "12",
        "4.5K",
        "109.5M",
        "2.0B",
    ]
    assert [as_size(n) for n in (12, 1_000, 440_449_768)] == ["12 B", "1.0 kB", "440.4 MB"]


def test_json_holds_nothing_that_a_terminal_obeys() -> None:
    hostile = {"label": "\x1b[2J \x9b2J \u202egnp.exe"}

    text = output.to_json(hostile)

    assert text.isprintable()
    assert json.loads(text) == hostile
