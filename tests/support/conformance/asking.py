"""What the conformance suite expects of a server that asks its caller: elicitation, sampling and roots, in both eras.

The names, the keys and the texts are the suite's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TypeVar

import mcp_types
from fastmcp import Context, FastMCP
from mcp.shared.exceptions import MCPError

Answer = mcp_types.InputRequiredResult | str
A = TypeVar("A")

DEFAULTS: dict[str, object] = {
    "name": {"type": "string", "default": "John Doe"},
    "age": {"type": "integer", "default": 30},
    "score": {"type": "number", "default": 95.5},
    "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
    "verified": {"type": "boolean", "default": True},
}
OPTIONS = ["option1", "option2", "option3"]
TITLED = [{"const": f"value{n}", "title": f"{word} Option"} for n, word in enumerate(("First", "Second", "Third"), 1)]
ENUMS: dict[str, object] = {
    "untitledSingle": {"type": "string", "enum": OPTIONS},
    "titledSingle": {"type": "string", "oneOf": TITLED},
    "legacyEnum": {
        "type": "string",
        "enum": ["opt1", "opt2", "opt3"],
        "enumNames": ["Option One", "Option Two", "Option Three"],
    },
    "untitledMulti": {"type": "array", "items": {"type": "string", "enum": OPTIONS}},
    "titledMulti": {"type": "array", "items": {"anyOf": TITLED}},
}


def add_asking(server: FastMCP) -> None:
    for tool in (
        test_sampling,
        test_elicitation,
        test_elicitation_sep1034_defaults,
        test_elicitation_sep1330_enums,
        test_streaming_elicitation,
        test_missing_capability,
        test_input_required_result_elicitation,
        test_input_required_result_sampling,
        test_input_required_result_list_roots,
        test_input_required_result_request_state,
        test_input_required_result_multiple_inputs,
        test_input_required_result_multi_round,
        test_input_required_result_tampered_state,
        test_input_required_result_capabilities,
    ):
        server.tool(tool, output_schema=None)
    server.prompt(test_input_required_result_prompt)


# In the handshake era the server asks in the middle of a call.


async def test_sampling(prompt: str, ctx: Context) -> str:
    """Asks the caller's model."""
    result = await ctx.session.create_message(  # pyright: ignore[reportDeprecated]  only this era has it
        messages=[mcp_types.SamplingMessage(role="user", content=mcp_types.TextContent(text=prompt))],
        max_tokens=100,
        related_request_id=ctx.request_id,
    )
    return f"LLM response: {_text(result)}"


async def test_elicitation(message: str, ctx: Context) -> str:
    """Asks the caller for a name and an address."""
    return await _elicit(ctx, message, {"username": {"type": "string"}, "email": {"type": "string"}}, "User response")


async def test_elicitation_sep1034_defaults(ctx: Context) -> str:
    """Asks with a default for every kind of field."""
    return await _elicit(ctx, "Please review these fields", DEFAULTS, "Elicitation completed")


async def test_elicitation_sep1330_enums(ctx: Context) -> str:
    """Asks with every kind of choice."""
    return await _elicit(ctx, "Please choose", ENUMS, "Elicitation completed")


async def _elicit(ctx: Context, message: str, properties: Mapping[str, object], reply: str) -> str:
    schema = {"type": "object", "properties": dict(properties), "required": list(properties)}
    result = await ctx.session.elicit(message, schema, related_request_id=ctx.request_id)
    return f"{reply}: action={result.action}, content={json.dumps(result.content)}"


# From 2026-07-28 on it returns its questions, and is called again with the answers.


def test_streaming_elicitation(ctx: Context) -> Answer:
    """Asks for one word."""
    return "Done." if _given(ctx, "word", mcp_types.ElicitResult) else _ask(word=_form("One word, please", "word"))


def test_missing_capability(ctx: Context) -> str:
    """Refuses a caller that has not declared sampling."""
    if _capabilities(ctx).sampling is None:
        needed = mcp_types.ClientCapabilities(sampling=mcp_types.SamplingCapability())
        data = mcp_types.MissingRequiredClientCapabilityErrorData(required_capabilities=needed)
        raise MCPError(
            code=mcp_types.MISSING_REQUIRED_CLIENT_CAPABILITY,
            message="This tool needs a client that declares the sampling capability.",
            data=data.model_dump(by_alias=True, exclude_none=True),
        )
    return "The caller has declared sampling."


def test_input_required_result_elicitation(ctx: Context) -> Answer:
    """Asks for a name."""
    if answer := _given(ctx, "user_name", mcp_types.ElicitResult):
        return f"Hello, {(answer.content or {}).get('name')}!"
    return _ask(user_name=_form("What is your name?", "name"))


def test_input_required_result_sampling(ctx: Context) -> Answer:
    """Asks the caller's model for a capital."""
    if answer := _given(ctx, "capital_question", mcp_types.CreateMessageResult):
        return _text(answer)
    return _ask(capital_question=_sample("What is the capital of France?", 100))


def test_input_required_result_list_roots(ctx: Context) -> Answer:
    """Asks for the caller's roots."""
    if answer := _given(ctx, "client_roots", mcp_types.ListRootsResult):
        return ", ".join(str(root.uri) for root in answer.roots)
    return _ask(client_roots=mcp_types.ListRootsRequest())


def test_input_required_result_request_state(ctx: Context) -> Answer:
    """Asks for a confirmation, and knows its own state again."""
    if _given(ctx, "confirm", mcp_types.ElicitResult) and ctx.request_state == "confirming":
        return "state-ok"
    return _ask("confirming", confirm=_form("Please confirm", "ok", "boolean"))


def test_input_required_result_tampered_state(ctx: Context) -> Answer:
    """Asks for a confirmation; a changed state never gets here."""
    return test_input_required_result_request_state(ctx)


def test_input_required_result_multiple_inputs(ctx: Context) -> Answer:
    """Asks three questions of three kinds at once."""
    name = _given(ctx, "user_name", mcp_types.ElicitResult)
    greeting = _given(ctx, "greeting", mcp_types.CreateMessageResult)
    roots = _given(ctx, "client_roots", mcp_types.ListRootsResult)
    if name and greeting and roots:
        return f"{_text(greeting)} {(name.content or {}).get('name')}, you have {len(roots.roots)} roots."
    return _ask(
        "three questions",
        user_name=_form("What is your name?", "name"),
        greeting=_sample("Generate a greeting", 50),
        client_roots=mcp_types.ListRootsRequest(),
    )


def test_input_required_result_multi_round(ctx: Context) -> Answer:
    """Asks for a name, then for a colour."""
    if (second := _given(ctx, "step2", mcp_types.ElicitResult)) and ctx.request_state:
        return f"{ctx.request_state} likes {(second.content or {}).get('color')}."
    if first := _given(ctx, "step1", mcp_types.ElicitResult):
        name = str((first.content or {}).get("name"))
        return _ask(name, step2=_form("Step 2: What is your favorite color?", "color"))
    return _ask("nobody yet", step1=_form("Step 1: What is your name?", "name"))


def test_input_required_result_capabilities(ctx: Context) -> Answer:
    """Asks only what the caller has declared that it can answer."""
    declared = _capabilities(ctx)
    questions: dict[str, mcp_types.InputRequest] = {}
    if declared.elicitation is not None:
        questions["name"] = _form("What is your name?", "name")
    if declared.sampling is not None:
        questions["greeting"] = _sample("Generate a greeting", 50)
    return _ask(**questions) if questions else "There is nothing that I could ask of you."


def test_input_required_result_prompt(ctx: Context) -> Answer:
    """Asks for the context of a prompt."""
    if answer := _given(ctx, "user_context", mcp_types.ElicitResult):
        return f"Answer in this context: {(answer.content or {}).get('context')}"
    return _ask(user_context=_form("What context should the prompt use?", "context"))


def _capabilities(ctx: Context) -> mcp_types.ClientCapabilities:
    return ctx.session.client_capabilities or mcp_types.ClientCapabilities()


def _given(ctx: Context, key: str, kind: type[A]) -> A | None:
    answer = (ctx.input_responses or {}).get(key)
    return answer if isinstance(answer, kind) else None


def _ask(state: str | None = None, /, **questions: mcp_types.InputRequest) -> mcp_types.InputRequiredResult:
    return mcp_types.InputRequiredResult(input_requests=questions, request_state=state)


def _form(message: str, field: str, kind: str = "string") -> mcp_types.ElicitRequest:
    schema = {"type": "object", "properties": {field: {"type": kind}}, "required": [field]}
    return mcp_types.ElicitRequest(params=mcp_types.ElicitRequestFormParams(message=message, requested_schema=schema))


def _sample(text: str, max_tokens: int) -> mcp_types.CreateMessageRequest:
    message = mcp_types.SamplingMessage(role="user", content=mcp_types.TextContent(text=text))
    return mcp_types.CreateMessageRequest(
        params=mcp_types.CreateMessageRequestParams(messages=[message], max_tokens=max_tokens)
    )


def _text(result: mcp_types.CreateMessageResult) -> str:
    return result.content.text if isinstance(result.content, mcp_types.TextContent) else ""
