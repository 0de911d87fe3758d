"""What servers.yaml says of an upstream's tools, and whose policy decides about them."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from agent_bridge.config.load import load
from agent_bridge.config.sanitised import sanitised
from agent_bridge.config.schema import Approvals, Server
from agent_bridge.config.upstreams import ToolOverride, Upstream
from agent_bridge.errors import ConfigInvalid
from agent_bridge.tools import Policy

MAIL = """\
upstreams:
  mail:
    command: mail
    trust: untrusted
    tools:
      send_draft: {sensitive: false, description: Sends what is written.}
      "send_*": {sensitive: true, timeout_s: 600, approval: always}
      "*": {timeout_s: 5, description: A tool of the mail.}
"""
TABLE = Approvals.model_validate({"default": "unless_read_only", "tools": {"mail__send": "never"}})


@pytest.mark.usefixtures("folder")
def test_of_each_key_the_first_glob_counts_that_fits_and_has_it() -> None:
    Path("servers.yaml").write_text(MAIL)

    mail = load(None, {}).upstreams["mail"]

    assert {name: mail.override_of(name) for name in ("send_draft", "send_all", "read", "Send_all")} == {
        "send_draft": ToolOverride(
            description="Sends what is written.", timeout_s=600, approval="always", sensitive=False
        ),
        "send_all": ToolOverride(description="A tool of the mail.", timeout_s=600, approval="always", sensitive=True),
        "read": ToolOverride(description="A tool of the mail.", timeout_s=5),
        "Send_all": ToolOverride(description="A tool of the mail.", timeout_s=5),
    }
    assert mail.trust == "untrusted"


def test_without_a_word_nothing_is_overridden_and_everything_is_trusted() -> None:
    plain = Upstream(command="x")

    assert (plain.override_of("any"), plain.trust) == (ToolOverride(), "trusted")


@pytest.mark.usefixtures("folder")
def test_what_was_said_of_the_tools_is_shown() -> None:
    Path("servers.yaml").write_text(MAIL)

    assert sanitised(load(None, {}))["upstreams"] == {
        "mail": {
            "command": "mail",
            "trust": "untrusted",
            "tools": {
                "send_draft": {"sensitive": False, "description": "Sends what is written."},
                "send_*": {"sensitive": True, "timeout_s": 600, "approval": "always"},
                "*": {"timeout_s": 5, "description": "A tool of the mail."},
            },
        }
    }


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("tools", "problem"),
    [
        ("{x: {descripton: a}}", "unknown key 'descripton' in upstreams.u.tools.x; did you mean 'description'?"),
        ("{x: {approval: sometimes}}", "upstreams.u.tools.x.approval must be 'never', 'annotated', 'unless_read_only' "
         "or 'always', and is 'sometimes'"),
        ("{x: {timeout_s: 0}}", "upstreams.u.tools.x.timeout_s must be greater than 0"),
        ("{x: {sensitive: 'yes'}}", "upstreams.u.tools.x.sensitive must be true or false, and is text; leave the "
         "quotes out"),
        ("{'': {}}", "the name '' in upstreams.u.tools must not be empty"),
        ("{x: true}", "upstreams.u.tools.x must be a table of keys, and is true or false"),
        ("['*']", "upstreams.u.tools must be a table of keys, and is a list"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_what_would_be_right(tools: str, problem: str) -> None:
    Path("servers.yaml").write_text(f"upstreams: {{u: {{command: x, tools: {tools}}}}}\n")

    with pytest.raises(ConfigInvalid) as caught:
        load(None, {})

    assert caught.value.problems == [f"servers.yaml:1: {problem}"]


@pytest.mark.parametrize(
    ("server", "own", "decides"),
    [
        (Server(), None, "annotated"),
        (Server(), "never", "never"),
        (Server(), "always", "always"),
        (Server(approvals="annotated"), "never", "annotated"),
        (Server(approvals="always"), "never", "always"),
        (Server(approvals="never"), "unless_read_only", "unless_read_only"),
        (Server(approvals=Approvals(expire_s=5)), "never", "never"),
        (Server(approvals=TABLE), "never", "never"),
        (Server(approvals=TABLE), "always", "never"),
        (Server(approvals=TABLE.model_copy(update={"tools": {}})), "never", "unless_read_only"),
        (Server(approvals=TABLE.model_copy(update={"tools": {}})), "always", "always"),
    ],
)
def test_a_glob_of_the_server_goes_first_then_the_stricter_of_what_was_said(
    server: Server, own: Policy | None, decides: Policy
) -> None:
    assert server.policy_for("send", "mail", own) == decides


@pytest.mark.usefixtures("folder")
def test_a_server_that_was_loaded_knows_whether_it_has_a_policy_of_its_own() -> None:
    Path("servers.yaml").write_text(
        dedent("""\
        upstreams: {mail: {command: mail}}
        servers:
          silent: {upstreams: [mail]}
          outright: {upstreams: [mail], approvals: annotated}
        """)
    )

    servers = load(None, {}).servers

    assert [servers[name].policy_for("send", "mail", "never") for name in servers] == ["never", "annotated"]
