"""generate.py [FOLDER]: make the completions for bash, zsh and fish of what the program takes; by default beside this.

Run it after a change of the command line: a test compares.
"""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from milter64.cli.main import VERBS, command_line


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """An option, or a word without a name where `names` is empty.

    `value` is how the program calls what stands there, empty if nothing does; `kind` is "file", "folder", or "" where a
    shell has nothing to propose but the `choices`.
    """

    names: Sequence[str]
    meaning: str
    value: str = ""
    kind: str = ""
    choices: Sequence[str] = ()
    again: bool = False
    """Whether it may stand there more than once."""


def words(parser: argparse.ArgumentParser) -> Iterator[Word]:
    """Yield what a parser takes."""
    for action in parser._actions:  # noqa: SLF001  argparse has no other way to tell
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            continue
        value = str(action.metavar or "") if action.nargs != 0 else ""
        kind = ("folder" if value == "DIRECTORY" else "file") if action.type is Path else ""
        yield Word(
            names=action.option_strings,
            meaning=action.help or "",
            value=value,
            kind=kind,
            choices=tuple(action.choices or ()),
            again=isinstance(action, argparse._AppendAction),  # noqa: SLF001
        )


def bash(main: Sequence[Word], verbs: dict[str, list[Word]]) -> Iterator[str]:
    """Yield the lines of a completion for bash. Without a word, bash proposes files or folders itself."""
    yield from (
        "_milter64() {",
        '    local word="$2" before="$3" words=""',
        "    # Bash takes --config=FILE for three words.",
        '    [[ "$word" != = ]] || { before="="; word=""; }',
        '    [[ "$before" != = ]] || before="${COMP_WORDS[COMP_CWORD-1]/#=/${COMP_WORDS[COMP_CWORD-2]}}"',
        "    COMPREPLY=()",
        '    if ((COMP_CWORD == 1)); then before=""; else words="${COMP_WORDS[1]}"; fi',
        '    case "$words:$before" in',
    )
    yield f'        :*) words="{" ".join([*verbs, *names(main)])}" ;;'
    for verb, each in verbs.items():
        for word in each:
            if word.names and word.value:
                yield f"        {'|'.join(f'{verb}:{name}' for name in word.names)}) {offer(word)} ;;"
        offers = [offer(word) for word in each if (word.kind or word.choices) and not word.names]
        unless = f'; [[ "$word" = -* ]] || {{ {offers[0]}; }}' if offers else ""
        yield f'        {verb}:*) words="{" ".join(names(each))}"{unless} ;;'
    yield from (
        '        *) words="" ;;',
        "    esac",
        '    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")',
        "}",
        "complete -F _milter64 milter64",
    )


def names(some: Sequence[Word]) -> list[str]:
    """Return the names of all options."""
    return [name for word in some for name in word.names]


def offer(word: Word) -> str:
    """Return the command of bash that offers what a word may be."""
    files = {"file": "; compopt -o default", "folder": "; compopt -o dirnames"}.get(word.kind, "")
    return f'words="{" ".join(word.choices)}"{files}'


def zsh(main: Sequence[Word], verbs: dict[str, list[Word]]) -> Iterator[str]:
    """Yield the lines of a completion for zsh, for its `_arguments`."""
    yield from ("#compdef milter64", "local line state", "local -a verbs=(")
    yield from (f"  {quoted(f'{verb}:{purpose}')}" for verb, purpose in VERBS.items())
    yield ")"
    yield "_arguments -C \\"
    yield from (f"  {spec} \\" for word in main for spec in specs(word))
    yield from ("  '1:verb:->verb' \\", "  '*::word:->word'", "case $state in")
    yield from ("  verb) _describe verb verbs ;;", "  word)", "    case $line[1] in")
    for verb, each in verbs.items():
        yield f"      {verb}) _arguments \\"
        yield " \\\n".join(f"        {spec}" for word in each for spec in specs(word))
        yield "        ;;"
    yield from ("    esac", "    ;;", "esac")


def specs(word: Word) -> Iterator[str]:
    """Yield what `_arguments` takes: one for each name of an option."""
    action = {"file": "_files", "folder": "_files -/"}.get(word.kind) or f"({' '.join(word.choices)})"
    value = f":{word.value}:{action}" if word.value else ""
    meaning = re.sub(r"[][:]", r"\\\g<0>", word.meaning)
    for name in word.names:
        others = "" if word.again else f"({' '.join(word.names)})"
        equals = "=" if word.value and name.startswith("--") else ""
        yield quoted(f"{'*' if word.again else others}{name}{equals}[{meaning}]{value}")
    if not word.names:
        yield quoted(f"*{value}")


def fish(main: Sequence[Word], verbs: dict[str, list[Word]]) -> Iterator[str]:
    """Yield the lines of a completion for fish."""
    yield from (
        "function __milter64_verb -d 'Whether a verb has been given, none if it is empty'",
        "    set -l words (commandline -opc)",
        '    test "$words[2]" = "$argv[1]"',
        "end",
        "complete -c milter64 -f",
    )
    for verb, purpose in VERBS.items():
        yield f"complete -c milter64 -n '__milter64_verb \"\"' -a {verb} -d {quoted(purpose)}"
    for verb, each in {'""': main, **verbs}.items():
        for word in each:
            condition = f"complete -c milter64 -n {quoted(f'__milter64_verb {verb}')}"
            flags = "".join(f" -{'l' if name.startswith('--') else 's'} {name.lstrip('-')}" for name in word.names)
            if word.value and word.names:
                flags += " -x" if not word.kind else " -r"
            if word.kind:
                flags += " -F" if word.kind == "file" else " -f -a '(__fish_complete_directories)'"
            if word.choices:
                flags += f" -a {quoted(' '.join(word.choices))}"
            if flags:
                yield f"{condition}{flags} -d {quoted(word.meaning)}"


def quoted(text: str) -> str:
    """Quote a word for zsh and for fish, which know this way both."""
    return "'" + text.replace("'", "'\"'\"'") + "'"


FILES = {"milter64": bash, "_milter64": zsh, "milter64.fish": fish}
"""As the shells look for them."""


def generate(folder: Path) -> None:
    """Write the three files."""
    parser, parsers = command_line(VERBS)
    main, verbs = list(words(parser)), {verb: list(words(each)) for verb, each in parsers.items()}
    for name, lines in FILES.items():
        first, *rest = lines(main, verbs)
        mark = "# Made by packaging/completion/generate.py: change that."
        both = (first, mark) if first.startswith("#") else (mark, first)
        (folder / name).write_text("\n".join([*both, *rest, ""]))


if __name__ == "__main__":
    generate(Path(*sys.argv[1:2]) if sys.argv[1:] else Path(__file__).parent)
