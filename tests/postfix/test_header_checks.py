"""The header_checks of docs/verdicts.md, for hosts that keep a build which deletes less."""

from rig.lab import Lab
from rig.mail import Mail
from rig.pages import blocks, page
from rig.postfix import Postfix
from rig.smtp import Smtp
from rig.stage import MEMORY, set_stage
from rig.world import HONEST, ZONES, behind

(CHECKS,) = [block for block in blocks(page("verdicts"), "text") if "IGNORE" in block]
FORGED = (
    "Received-SPF: pass (mx.lab.example: domain of forged) receiver=mx.lab.example\n"
    "RECEIVED-spf : pass receiver=other.example\n"
    "Authentication-Results: i=1; mx.lab.example;\n spf=pass smtp.mailfrom=forged\n"
    "authentication-results: other.example; none;\n\tMX.lab.example; spf=pass smtp.mailfrom=forged\n"
)
KEPT = ["other.example; spf=pass smtp.mailfrom=kept", "mx2lab.example; spf=pass smtp.mailfrom=kept"]
MESSAGE = f"{FORGED}{''.join(f'Authentication-Results: {value}{chr(10)}' for value in KEPT)}Subject: x\n\nHi.\n"


def checks(lab: Lab) -> str:
    path = lab.folder / "header_checks"
    path.write_text(CHECKS.replace(r"mx\.example\.org", r"mx\.lab\.example"))
    path.chmod(0o644)
    return f"regexp:{path}"


def test_postfix_itself_deletes_what_an_older_build_leaves(lab: Lab) -> None:
    postfix = lab.start(Postfix, header_checks=checks(lab))
    with Smtp("127.0.0.1", postfix.port) as client:
        client.ehlo("mail.honest.example")
        assert client.transaction("a@honest.example", ["b@lab.example"], MESSAGE).code == 250
    (message,) = postfix.delivered()
    assert message["Received-SPF"] is None
    assert message.get_all("Authentication-Results") == KEPT


def test_what_milter64_adds_is_left_alone(lab: Lab) -> None:
    stage = set_stage(lab, ZONES, f"{MEMORY}\n[headers]\nreceived_spf = true\n", header_checks=checks(lab))
    mail = Mail(token="checked", address=behind(HONEST), message=MESSAGE)
    assert mail.send(stage).code == 250
    message = mail.delivered(stage)
    ours = message.get_all("Authentication-Results", [])
    assert (ours[2:], [field.split(";")[0] for field in ours[:2]]) == (KEPT, ["mx.lab.example"] * 2)
    assert len(message.get_all("Received-SPF", [])) == 2
