import pytest

from milter64.config.load_file import parse

QUOTE = {
    "mode = observe": (1, "observe"),
    "\nmode = observe # and no more": (2, "observe"),
    "mode = observe\r\n": (1, "observe"),
    "[dns]\ntimeout = 2s": (2, "2s"),
    "[milter]\nsocket = inet:8864@localhost": (2, "inet:8864@localhost"),
    "[milter]\nsocket = unix:/run/milter64/milter64.sock": (2, "unix:/run/milter64/milter64.sock"),
    "[milter]\nsocket_mode = 0660": (2, "0660"),
    "[metrics]\nlisten = 127.0.0.1:9864": (2, "127.0.0.1:9864"),
    "[translation]\nprefixes = [64:ff9b::/96]": (2, "64:ff9b::/96"),
    '[translation]\nprefixes = ["64:ff9b::/96", 2001:db8::/96]': (2, "2001:db8::/96"),
    "[translation]\nprefixes = [\n  64:ff9b::/96,\n]": (3, "64:ff9b::/96"),
    "[spf]\nactions = { fail = reject }": (2, "reject"),
    "[spf]\nactions.fail = reject": (2, "reject"),
    "[allow]\nentries = [@partner.example]": (2, "@partner.example"),
    "mode = observe now": (1, "observe now"),
}


@pytest.mark.parametrize(("text", "found"), QUOTE.items())
def test_what_lacks_its_quotes_is_named_and_written_with_them(text: str, found: tuple[int, str]) -> None:
    [problem] = parse(text)[1]
    line, value = found
    assert (problem.line, problem.what) == (line, f"{value} is no value without quotes")
    assert problem.remedy == f'write it in quotes: "{value}"'


WRONG = {
    "[spf]\n[spf]\n": (2, "Cannot declare spf twice", "write each key and each table once"),
    "[a]\nb.c = 1\n[a.b]": (3, "Cannot declare a.b twice", "write each key and each table once"),
    "[spf]\nenabled = yes": (2, "yes is no value without quotes", "write true or false, in small letters"),
    "[spf]\nenabled = False": (2, "False is no value without quotes", "write true or false, in small letters"),
    "mode = \u201cobserve\u201d": (1, "?observe? is no value without quotes", 'write it in straight quotes: "observe"'),
    "store = redis://:s3cret@h": (1, "a URL is no value without quotes", "write it in quotes"),
    "store = redis://:pass=s3cret@h": (1, "a URL is no value without quotes", "write it in quotes"),
    "store = redis://:pass[s3cret@h": (1, "a URL is no value without quotes", "write it in quotes"),
    "store = redis+sentinel://:s3cret@h,h/m": (1, "a URL is no value without quotes", "write it in quotes"),
    "mode": (1, "Expected '=' after a key", 'a value, such as mode = "observe"'),
    "mode: observe": (1, "Expected '=' after a key", 'a value, such as mode = "observe"'),
    "mode =": (1, "Invalid value", "write a value: a text in quotes"),
    'mode = "observe': (1, "", "end the text with the quote that it begins with"),
    "mode = 'observe\n[spf]": (1, "", "end the text with the quote that it begins with"),
    "[log]\nlevel = 'info\nformat = 'json'": (2, "", "end the text with the quote that it begins with"),
    'mode = """observe\n\n\n': (1, "Unterminated", "end the text with the quote that it begins with"),
    'mode = "observe"\nmode = "enforce"\n': (2, "", "write each key and each table once"),
    "[spf]\n[dns]\n[spf]": (3, "", "write each key and each table once"),
    '[dns]\nnameservers = ["::1" "::2"]': (2, "Unclosed array", "put a comma between the values of the list"),
    '[dns]\nnameservers = ["::1"\n': (2, "Unclosed array", "and ] at its end"),
    "[spf\nenabled = true": (1, "Expected ']'", "end the table's name with as many ]"),
    "[spf]\nactions = {\n\n": (2, "", "write what is in { } on one line"),
    '[spf]\nactions = {\n fail = "reject" }': (2, "", "write what is in { } on one line"),
    'mode = "observe" log.level = "info"': (
        1,
        "Expected newline",
        "write no more than one key and its value on a line",
    ),
    "[spf] enabled = true": (1, "Expected newline", "write no more than one key and its value on a line"),
    'mode = "a\\q"': (1, "Unescaped", "write the text in single quotes"),
    "= 3": (1, "Invalid statement", "or the name of a table in brackets"),
    "mode = \0": (1, "Invalid value", "write a value: a text in quotes"),
}


@pytest.mark.parametrize(("text", "line", "what", "remedy"), [(text, *told) for text, told in WRONG.items()])
def test_what_is_no_toml_has_its_line_and_its_remedy(text: str, line: int, what: str, remedy: str) -> None:
    [problem] = parse(text)[1]
    assert problem.line == line
    assert what in problem.what
    assert remedy in problem.remedy
