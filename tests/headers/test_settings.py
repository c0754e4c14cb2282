"""Which fields are added."""

from milter64.headers.settings import Settings


def test_results_are_added_and_received_spf_is_not_unless_told() -> None:
    assert Settings() == Settings(authentication_results=True, received_spf=False)
    assert [Settings(authentication_results=a, received_spf=b).any for a in (False, True) for b in (False, True)] == [
        False,
        True,
        True,
        True,
    ]
