"""Every tool, over every entry and in both eras."""

from __future__ import annotations

import json
from typing import Any

import mcp_types
import pytest
from fastmcp import Client

from agent_bridge.api.mcp.server import build
from support.mcp_entries import ACROSS, EVERYWHERE, IN_PROCESS, Entry
from support.scripts import PIXEL, obedient_bridge, script

pytestmark = pytest.mark.anyio
everywhere = pytest.mark.parametrize("entry", EVERYWHERE, ids=str)
in_process = pytest.mark.parametrize("entry", IN_PROCESS, ids=str)
across = pytest.mark.parametrize("entry", ACROSS, ids=str)

LOOKS = script({"text": ["Let me ", "look."], "calls": [("look", {}), ("look", {})]}, {"text": ["Sunny."]})


async def call(client: Client[Any], tool: str, **arguments: Any) -> mcp_types.CallToolResult:
    return await client.call_tool_mcp(tool, arguments)


def fields(result: mcp_types.CallToolResult) -> dict[str, Any]:
    assert result.structured_content is not None, result
    return result.structured_content


def words(result: mcp_types.CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, mcp_types.TextContent))


@everywhere
async def test_a_conversation_from_the_catalogue_to_the_end_of_its_session(entry: Entry) -> None:
    async with entry.open() as client:
        tools = [tool.name for tool in await client.list_tools()]
        servers = fields(await call(client, "list_servers"))
        models = fields(await call(client, "list_models"))
        connected = fields(await call(client, "connect", server="assistant", temperature=0.5, tools=["*"]))
        session_id = connected["session_id"]
        answered = await call(client, "chat", message=LOOKS, session_id=session_id)
        asked = await call(client, "ask_assistant", message="hello", session_id=session_id)
        status = fields(await call(client, "status", run_id=fields(answered)["run_id"]))
        latest = fields(await call(client, "status", session_id=session_id))
        cancelled = fields(await call(client, "cancel", run_id=latest["run_id"]))
        disconnected = fields(await call(client, "disconnect", session_id=session_id))
        again = fields(await call(client, "disconnect", session_id=session_id))

    assert tools == [
        "list_servers",
        "list_models",
        "connect",
        "chat",
        "status",
        "cancel",
        "disconnect",
        "ask_assistant",
    ]
    assert [server["name"] for server in servers["servers"]] == ["assistant", "asleep"]
    assert (servers["count"], models) == (2, {"models": [], "count": 0})
    assert connected["status"] == "connected"
    assert connected["tool_count"] == len(connected["tools"]) == 10
    run = fields(answered)
    assert (run["status"], run["response"], run["session_id"]) == ("completed", "Sunny.", session_id)
    assert [call["tool"] for call in run["tool_invocations"]] == ["look", "look"]
    assert (run["tool_used"], run["tool_invocation_count"], run["steps"]) == (True, 2, 2)
    assert not answered.is_error
    assert fields(asked)["response"] == "You said: hello"
    assert status["run_id"] == run["run_id"]
    assert [event["seq"] for event in status["events"]] == list(range(1, run["last_seq"] + 1))
    assert (latest["run_id"], cancelled["status"]) == (fields(asked)["run_id"], "completed")
    assert (disconnected["status"], again["status"]) == ("disconnected", "no_active_session")


@across
async def test_words_say_what_the_fields_say(entry: Entry) -> None:
    async with entry.open() as client:
        connected = await call(client, "connect")
        run = await call(client, "chat", message=LOOKS, session_id=fields(connected)["session_id"])
        status = await call(client, "status", run_id=fields(run)["run_id"], after=3)
        servers = await call(client, "list_servers")

    for value in ("session_id", "server", "model", "provider"):
        assert str(fields(connected)[value]) in words(connected)
    for value in ("response", "run_id", "session_id", "status", "model", "server", "next"):
        assert str(fields(run)[value]) in words(run)
        assert str(fields(run)[value]) in words(status)
    for invocation in fields(run)["tool_invocations"]:
        assert all(str(invocation[value]) in words(run) for value in ("call_id", "tool", "status", "preview"))
    assert words(run).startswith("Sunny.")
    assert "20 tokens in, 10 out, $0.002, last_seq" in words(run)
    assert words(servers).splitlines()[1] == (
        "- assistant (assistant): Answers. [ready, 10 tools of local, model scripted/one]"
    )


@in_process
async def test_results_fit_the_schemas_that_the_tools_promise(entry: Entry) -> None:
    """The client validates each result, errors included, against the listed output schema."""
    async with entry.open() as client:
        listed = {tool.name: tool for tool in await client.list_tools()}
        session_id = fields(await call(client, "connect"))["session_id"]
        results = {
            "list_servers": [await call(client, "list_servers"), await call(client, "list_servers", x=1)],
            "connect": [await call(client, "connect"), await call(client, "connect", server="nope")],
            "chat": [
                await call(client, "chat", message=LOOKS),
                await call(client, "chat", message=""),
                await call(client, "chat", message=script({"fails": True})),
                await call(client, "chat", message=script({"calls": [("nap", {"seconds": 9})]}), wait_s=0),
            ],
            "status": [
                await call(client, "status", session_id=session_id),
                await call(client, "status"),
                await call(client, "status", run_id="run_x"),
            ],
            "cancel": [await call(client, "cancel", run_id="run_x")],
            "disconnect": [await call(client, "disconnect", session_id="ses_x")],
        }
        for name, several in results.items():
            for result in several:
                await client.session.validate_tool_result(name, result)

    for tool in listed.values():
        assert tool.title
        assert len(tool.description or "") < 2048
        assert tool.input_schema["additionalProperties"] is False
        assert all("description" in field for field in tool.input_schema["properties"].values())
        assert "$ref" not in json.dumps([tool.input_schema, tool.output_schema])
        assert tool.output_schema is not None
        assert tool.output_schema["type"] == "object"
    reading = {name for name, tool in listed.items() if tool.annotations and tool.annotations.read_only_hint}
    assert reading == {"list_servers", "list_models", "status"}


@across
async def test_wrong_arguments_are_told_by_name_and_never_repeated(entry: Entry) -> None:
    wrong: list[tuple[str, dict[str, Any], str]] = [
        ("chat", {}, "The argument 'message' is missing."),
        ("chat", {"message": "x", "wait_s": -1}, "'wait_s' does not fit: input should be greater than or equal to 0"),
        ("chat", {"message": "x", "limits": {"max_steps": 0}}, "'limits.max_steps' does not fit"),
        ("chat", {"message": "x", "limits": {"speed": 1}}, "There is no 'limits.speed'."),
        ("connect", {"temperature": 3}, "'temperature' does not fit"),
        ("connect", {"server": {"auth_token": "hush-9171"}}, "The argument 'server.url' is missing."),
        ("connect", {"server": {"url": ["hush-9171"]}}, "'server.url' does not fit"),
        ("connect", {"server": {"url": "ftp://hush-9171@x"}}, "server.url must be"),
        ("connect", {"server": {"url": "https://x.example/${HOME}"}}, "may not refer to variables of the bridge"),
        ("connect", {"server": {"url": "https://x.example", "auth_token": "os.environ/HOME"}}, "may not refer to"),
        ("connect", {"server": "nope"}, "There is no server 'nope'"),
        ("list_models", {"providers": "x"}, "There is no argument 'providers'. The arguments are: provider, query."),
        ("status", {}, "Give a run_id or a session_id."),
        ("status", {"run_id": "x", "after": "soon"}, "'after' does not fit"),
        ("cancel", {"run_id": 7}, "'run_id' does not fit"),
    ]
    async with entry.open() as client:
        for tool, arguments, said in wrong:
            result = await call(client, tool, **arguments)
            assert result.is_error
            assert set(fields(result)["error"]) == {"code", "message", "recoverable"}
            assert fields(result)["error"]["code"] in ("invalid_input", "server_not_found")
            assert said in fields(result)["error"]["message"]
            assert fields(result)["error"]["message"] in words(result)
            assert "hush-9171" not in result.model_dump_json()


@in_process
async def test_a_message_may_have_a_mebibyte_and_no_more(entry: Entry) -> None:
    async with entry.open() as client:
        most = await call(client, "chat", message="x" * 1024 * 1024)
        more = await call(client, "chat", message="x" * 2 * 1024 * 1024)
        empty = await call(client, "chat", message=" ")

    assert fields(most)["status"] == "completed"
    assert fields(more)["error"]["code"] == "too_large"
    assert fields(empty)["error"]["code"] == "invalid_input"


@across
async def test_a_run_that_fails_is_an_error_result_with_the_run_in_it(entry: Entry) -> None:
    async with entry.open() as client:
        failed = await call(client, "chat", message=script({"fails": True}))
        status = await call(client, "status", run_id=fields(failed)["run_id"])

    assert failed.is_error
    assert fields(failed)["status"] == "failed"
    assert fields(failed)["error"] == {
        "code": "model_rate_limited",
        "message": "The provider is busy. Try again in a minute.",
        "recoverable": True,
    }
    assert not status.is_error
    assert fields(status)["error"] == fields(failed)["error"]


@across
async def test_a_limit_of_the_call_stops_the_run_and_that_is_no_error(entry: Entry) -> None:
    steps = script({"text": ["One. "], "calls": [("look", {})]}, {"calls": [("look", {})]}, {"text": ["Never."]})
    async with entry.open() as client:
        result = await call(client, "chat", message=steps, limits={"max_steps": 1})

    assert (result.is_error, fields(result)["status"], fields(result)["stop_reason"]) == (False, "stopped", "max_steps")


@across
async def test_pictures_that_tools_made_come_back_as_pictures(entry: Entry) -> None:
    async with entry.open() as client:
        result = await call(client, "chat", message=script({"calls": [("draw", {})]}, {"text": ["Drawn."]}))

    assert [block.type for block in result.content] == ["text", "image"]
    picture = result.content[1]
    assert isinstance(picture, mcp_types.ImageContent)
    assert (picture.data, picture.mime_type) == (PIXEL, "image/png")


@across
async def test_an_answer_of_any_length_comes_in_a_result_that_hosts_take_whole(entry: Entry) -> None:
    long = "word " * 40_000
    async with entry.open() as client:
        result = await call(client, "chat", message=script({"text": [long]}))
        status = await call(client, "status", run_id=fields(result)["run_id"])
        link = next(block for block in result.content if isinstance(block, mcp_types.ResourceLink))
        record = json.loads((await client.read_resource(link.uri))[0].text)  # type: ignore[union-attr]  # JSON is text

    for one in (result, status):
        assert len(words(one)) + len(json.dumps(fields(one))) < 45_000
        assert f"Cut here, of {len(long):,} characters. The rest is in {link.uri}" in fields(one)["response"]
        assert fields(one)["warnings"][-1]["code"] == "result_cut"
    assert record["response"] == long


async def test_a_server_that_is_a_tool_is_described_within_what_hosts_show() -> None:
    async with obedient_bridge() as bridge:
        server = build(bridge, as_tools={"wordy": "ä" * 5000, "silent": ""}, version="1")
        described = {tool.name: tool.description or "" for tool in await server.list_tools()}

    assert len(described["ask_wordy"].encode()) < 2048
    assert described["ask_wordy"].startswith("äää")
    assert described["ask_silent"].startswith("Asks the server silent.")


async def test_the_bridge_introduces_itself_to_the_model_of_a_host() -> None:
    async with IN_PROCESS[0].open() as client:
        greeting = client.initialize_result

    assert greeting is not None
    assert (greeting.server_info.name, greeting.server_info.version) == ("agent-bridge", "1.2.3")
    assert greeting.instructions is not None
    assert len(greeting.instructions) < 1000
    for tool in ("chat", "list_servers", "status", "cancel", "session_id"):
        assert tool in greeting.instructions
