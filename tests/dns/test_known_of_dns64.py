"""What was asked while less, or other things, were known of DNS64s counts for nothing, in no worker."""

import time
from concurrent.futures import ThreadPoolExecutor

from milter64.address.translation_prefix import Pattern
from milter64.address.translator import Translator
from milter64.dns.lookup import Answer
from milter64.dns.resolver import Resolver, answer_cache
from milter64.dns.settings import Settings
from rig.dnsserver import DnsServer

PATIENCE = 5.0
PATTERN = Pattern(head=bytes.fromhex("20010db80064"), tail=b"")
OTHER = Pattern(head=bytes.fromhex("20010db80065"), tail=b"")


def test_what_is_being_asked_when_all_is_to_be_forgotten_is_not_remembered_and_nobody_joins_it(
    server: DnsServer,
) -> None:
    translator = Translator()
    resolver = Resolver(Settings(nameservers=(server.address,)), translator)
    gate = server.hold("example.org")

    def ask() -> Answer:
        return resolver.ask("example.org", "A", time.monotonic() + PATIENCE)

    with ThreadPoolExecutor(2) as pool:
        before = pool.submit(ask)
        assert server.received(1)
        generation = resolver.generation
        translator.distrust([PATTERN])
        assert resolver.generation != generation
        after = pool.submit(ask)
        assert server.received(2)
        gate.set()
        assert set(before.result().values) == set(after.result().values)
    ask()
    assert server.count("example.org") == 2
    translator.distrust([])
    with ThreadPoolExecutor(1) as pool:
        gate.clear()
        before = pool.submit(ask)
        assert server.received(3)
        translator.distrust([PATTERN, OTHER])
        gate.set()
        before.result()
    ask()
    assert server.count("example.org") == 4


def test_an_answer_during_which_more_was_learned_of_dns64s_is_not_remembered(server: DnsServer) -> None:
    translator, deadline = Translator(), time.monotonic() + PATIENCE
    resolver = Resolver(Settings(nameservers=(server.address,)), translator)
    gate = server.hold("example.org")
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(resolver.ask, "example.org", "A", deadline)
        assert server.received(1)
        translator.distrust([PATTERN])
        gate.set()
        asking.result()
    for learned in ([], [PATTERN]):
        translator.distrust(learned)
        resolver.ask("example.org", "A", deadline)
    assert server.count("example.org") == 3


def test_workers_share_answers_as_far_as_they_know_the_same_of_dns64s(server: DnsServer) -> None:
    settings, kept = Settings(nameservers=(server.address,)), answer_cache()
    translators = [Translator(), Translator()]
    one, other = (Resolver(settings, translator, answers=kept) for translator in translators)
    deadline = time.monotonic() + PATIENCE
    assert set(one.ask("example.org", "A", deadline).values) == set(other.ask("example.org", "A", deadline).values)
    assert server.count("example.org") == 1
    translators[0].distrust([PATTERN])
    one.ask("example.org", "A", deadline)
    assert server.count("example.org") == 2
    translators[1].distrust([PATTERN])
    other.ask("example.org", "A", deadline)
    assert server.count("example.org") == 2
