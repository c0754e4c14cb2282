"""The size of the caches' memory, as it is written and as it is shown again."""

import pytest

from milter64.config.load_file import parse
from milter64.config.toml_writer import written

FORM = 'write it in MiB or GiB, such as "64M" or "1G"'
WRONG = {
    "another unit": ('[limits]\nmemory = "64MB"', 2, '"64MB" is no size of memory', FORM),
    "a number": ("[limits]\nmemory = 64", 2, "64 is no size of memory", FORM),
    "none": ('[limits]\nmemory = "0M"', 2, '"0M" is no size of memory', FORM),
    "more than a number has digits": ('[limits]\nmemory = "100000G"', 2, '"100000G" is no size of memory', FORM),
    "too little": ('[limits]\nmemory = "1M"', 2, "less than one worker needs", 'write at least "2M"'),
    "too little for many": (
        '[milter]\nworkers = 16\n[limits]\nmemory = "31M"',
        4,
        "less than 2M for each of 16 workers",
        'write at least "32M", or have fewer milter.workers',
    ),
}


@pytest.mark.parametrize(("text", "line", "what", "remedy"), WRONG.values(), ids=WRONG)
def test_a_size_that_is_wrong_is_told_with_its_place_and_the_remedy(
    text: str, line: int, what: str, remedy: str
) -> None:
    [problem] = parse(text)[1]
    assert (problem.key, problem.line, problem.what, problem.remedy) == ("limits.memory", line, what, remedy)


@pytest.mark.parametrize(("text", "octets"), [("2M", 2 * 2**20), ("96M", 96 * 2**20), ("2G", 2 * 2**30)])
def test_a_size_is_in_mebibytes_or_gibibytes_and_shown_as_it_was_written(text: str, octets: int) -> None:
    settings, problems = parse(f'[limits]\nmemory = "{text}"')
    assert (settings.limits.memory.octets, problems) == (octets, [])
    assert f'\n[limits]\nmemory = "{text}"\n' in written(settings)


def test_the_usual_size_is_shown_and_enough_for_any_number_of_workers() -> None:
    settings, problems = parse("milter.workers = 1024")
    assert problems == []
    assert '\n[limits]\nmemory = "32M"\n' in written(settings)
