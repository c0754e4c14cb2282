"""The lists that the configuration makes: its own entries, those in files, and those by command."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from milter64.config.problems import Problem
from milter64.config.settings import Settings
from milter64.lists import commanded
from milter64.lists.admin_lists import AdminLists, Source, Written
from milter64.lists.entry import Entry
from milter64.lists.index import Index, Read, reader
from milter64.lists.list_file import ListFile, read_list
from milter64.lists.listed import ALLOW, BLOCK
from milter64.lists.mistakes import Mistakes
from milter64.lists.settings import Recipient
from milter64.mail.clean_text import clean


def admin_lists(settings: Settings, warn: Callable[[str], None]) -> AdminLists:
    """Return the lists in force; `warn` is told what can't be used of their files, from any thread."""
    sources: dict[str, list[Source]] = {}
    for check in (BLOCK, ALLOW):
        read = line_reader(settings, check)
        lines = {where: "\n".join(entry.line for entry in each) for where, each in entries(settings, check).items()}
        written = [Written(where, Index(text.encode(), read)) for where, text in lines.items() if text]
        sources[check] = [*written, *[ListFile(path, read, warn, ours=ours) for path, ours in files(settings, check)]]
    return AdminLists(sources[BLOCK], sources[ALLOW])


def mistakes(settings: Settings) -> Mistakes:
    """Return what can't be meant by an entry."""
    return Mistakes(settings.translation.prefixes, iprev=settings.iprev.enabled, spf=settings.spf.enabled)


def line_reader(settings: Settings, check: str) -> Read:
    """Return what reads the lines of a list."""
    return reader(mistakes(settings), blocks=check == BLOCK)


def entries(settings: Settings, check: str) -> Mapping[str, Sequence[Entry]]:
    """Return the entries of a list that are in the configuration, by the key of where."""
    if check == BLOCK:
        return {"block.entries": settings.block.entries}
    exceptions = {key: [each.entry() for each in some] for key, some in recipients(settings).items()}
    return {"allow.entries": settings.allow.entries, **exceptions}


def recipients(settings: Settings) -> Mapping[str, Sequence[Recipient]]:
    """Return the recipients for whom something is off, by the key of where."""
    skipped = settings.greylist.skip_recipients
    return {
        "recipient": settings.recipient,
        "greylist.skip_recipients": [
            Recipient(address=each) if "@" in each else Recipient(domain=each) for each in skipped
        ],
    }


def files(settings: Settings, check: str) -> Sequence[tuple[Path, bool]]:
    """Return the files of a list, and of each whether it is that of the entries by command."""
    theirs = (settings.block if check == BLOCK else settings.allow).files
    ours = commanded.place(settings.greylist.local_store, check)
    return [*[(path, False) for path in dict.fromkeys(theirs)], *([(ours, True)] if ours else [])]


def file_problems(settings: Settings, unread: Callable[[str, Path, OSError], None]) -> Iterator[Problem]:
    """Return what is wrong in files of lists, of which the rest counts all the same.

    `unread` is told of files that can't be read, with the key by which the configuration has them.
    """
    for check in (ALLOW, BLOCK):
        for path, ours in files(settings, check):
            place = clean(str(path))
            try:
                index = Index(read_list(path, ours=ours), line_reader(settings, check))
            except OSError as error:
                unread(settings.greylist.local_key if ours else f"{check}.files", path, error)
                continue
            for wrong in index.wrong:
                yield Problem(key=place, line=wrong.number, what=clean(wrong.what), remedy=clean(wrong.remedy))
            if more := index.wrong_lines - len(index.wrong):
                yield Problem(key=place, what=f"{more} more lines like these", remedy="mend these first")
