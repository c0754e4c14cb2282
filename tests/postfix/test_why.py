"""`milter64 why` tells a story that a real Postfix and the service have logged, by whatever a person has of it."""

import json
import os
import re
from pathlib import Path

import pytest

from milter64.cli.main import main
from rig.lab import Lab
from rig.mail import Mail
from rig.process import until
from rig.stage import set_stage
from rig.world import STRANGER, ZONES, behind

SUSPECT = "192.31.196.77"
AGAIN = Mail(token="again", address=behind(SUSPECT), helo="new.example", sender="joe@soft.example")
FORGED = Mail(token="forged", address=behind(STRANGER), helo="stranger.example")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A mail is put off, comes again and is delivered; another is refused: replies, and where logs and settings are."""
    folder = tmp_path_factory.mktemp("why")
    folder.chmod(0o755)
    with Lab() as lab:
        stage = set_stage(lab, ZONES, f'[greylist]\nstore = "sqlite:{folder}/rows"\ndelay = "1s"\n')
        put_off = AGAIN.send(stage)
        until(lambda: AGAIN.send(stage).code == 250, "the greylist to let it pass")
        refused = FORGED.send(stage)
        AGAIN.delivered(stage)
        queue = str(AGAIN.logged(stage, "accepted")["queue"])
        until(lambda: f"{queue}: removed" in stage.postfix.output, "Postfix to be done with it")
        FORGED.logged(stage, "rejected")
        (folder / "mail.log").write_text(stage.postfix.output)
        (folder / "milter64.log").write_text(stage.milter.output)
    (folder / "milter64.toml").write_text(
        f'translation.prefixes = ["64:ff9b::/96"]\ngreylist.store = "sqlite:{folder}/rows"\n'
    )
    return {"folder": str(folder), "put off": str(put_off), "refused": str(refused), "queue": queue}


def why(story: dict[str, str], capsys: pytest.CaptureFixture[str], what: str, *more: str) -> str:
    folder = Path(story["folder"])
    logs = [f"--log={folder / name}" for name in ("milter64.log", "mail.log")]
    assert main(["why", what, "--config", str(folder / "milter64.toml"), *more, *logs]) == os.EX_OK
    return capsys.readouterr().out


def in_order(text: str, *parts: str) -> bool:
    return re.search(".*".join(map(re.escape, parts)), text, re.DOTALL) is not None


@pytest.mark.parametrize("by", ["put off", "queue", "sender", "address", "wire", "Postfix's line"])
def test_a_mail_that_came_again_is_told_by_whatever_one_has(
    story: dict[str, str], capsys: pytest.CaptureFixture[str], by: str
) -> None:
    of_postfix = re.findall(r".* NOQUEUE: milter-reject.*again@.*", Path(story["folder"], "mail.log").read_text())
    asked = {
        "sender": AGAIN.sender,
        "address": SUSPECT,
        "wire": AGAIN.address,
        "Postfix's line": of_postfix[0],
        **story,
    }
    told = why(story, capsys, asked[by])
    assert in_order(
        told,
        *("put off by the greylist", f"client      {SUSPECT}", "let in", f"queue       {story['queue']}"),
        *(f"Postfix delivered it to {AGAIN.recipient}", "What the greylist remembers", "passed last at"),
        *("Nothing: it has come again, and was let in.", "milter64 allow 192.31.196.0/24"),
    ), told


def test_a_refusal_is_told_by_the_token_that_the_client_was_given(
    story: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    told = why(story, capsys, story["refused"])
    assert in_order(
        told,
        *("refused for good", f"client      {STRANGER}", "spf fail", "decided by  spf.actions.fail"),
        *("What the sender should do", "honest.example", f"milter64 allow {STRANGER} --spares spf"),
    ), told


def test_programs_are_told_the_same(story: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    report = json.loads(why(story, capsys, story["put off"], "--json"))
    assert (report["milter64"], report["schema"], report["asked"]["kind"]) == ("why", 1, "token")
    assert {event["event"] for event in report["events"]} == {"greylisted", "accepted", None}
    assert [row["state"] for row in report["rows"]] == ["passed"]
