"""What the conformance suite expects a server to say: tools by kind of content, resources and prompts.

The names and the texts are the suite's.
"""

from __future__ import annotations

import base64
import json
from typing import Annotated

import anyio
import mcp_types
from fastmcp import Context, FastMCP
from fastmcp.exceptions import ToolError
from fastmcp.prompts import Message
from fastmcp.tools.function_tool import FunctionTool
from pydantic import Field

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg=="
)
WAV = b"RIFF\x26\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\x02\0\0\0\0\0"
PAUSE_S = 0.05
"""The suite asks for pauses of this length between notifications."""

JSON_SCHEMA_2020_12: dict[str, object] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


def add_content(server: FastMCP) -> None:
    for tool in (
        test_simple_text,
        test_image_content,
        test_audio_content,
        test_embedded_resource,
        test_multiple_content_types,
        test_error_handling,
        test_tool_with_logging,
        test_tool_with_progress,
        test_logging_tool,
        test_custom_header,
    ):
        server.tool(tool)
    server.add_tool(
        FunctionTool(
            fn=json_schema_2020_12_tool,
            name="json_schema_2020_12_tool",
            description="Takes arguments described with JSON Schema 2020-12.",
            parameters=JSON_SCHEMA_2020_12,
        )
    )
    server.resource("test://static-text", mime_type="text/plain")(static_text)
    server.resource("test://static-binary", mime_type="image/png")(static_binary)
    server.resource("test://watched-resource", mime_type="text/plain")(watched)
    server.resource("test://template/{id}/data", mime_type="application/json")(template)
    for prompt in (
        test_simple_prompt,
        test_prompt_with_arguments,
        test_prompt_with_embedded_resource,
        test_prompt_with_image,
    ):
        server.prompt(prompt)


def _image() -> mcp_types.ImageContent:
    return mcp_types.ImageContent(data=base64.b64encode(PNG).decode(), mime_type="image/png")


def _embedded(uri: str, text: str, mime_type: str = "text/plain") -> mcp_types.EmbeddedResource:
    return mcp_types.EmbeddedResource(resource=mcp_types.TextResourceContents(uri=uri, mime_type=mime_type, text=text))


def test_simple_text() -> str:
    """Returns one text."""
    return "This is a simple text response for testing."


def test_image_content() -> mcp_types.ImageContent:
    """Returns one image."""
    return _image()


def test_audio_content() -> mcp_types.AudioContent:
    """Returns one sound."""
    return mcp_types.AudioContent(data=base64.b64encode(WAV).decode(), mime_type="audio/wav")


def test_embedded_resource() -> mcp_types.EmbeddedResource:
    """Returns one resource."""
    return _embedded("test://embedded-resource", "This is an embedded resource content.")


def test_multiple_content_types() -> list[mcp_types.ContentBlock]:
    """Returns a text, an image and a resource."""
    return [
        mcp_types.TextContent(text="Multiple content types test:"),
        _image(),
        _embedded("test://mixed-content-resource", '{"test":"data","value":123}', "application/json"),
    ]


def test_error_handling() -> str:
    """Fails."""
    raise ToolError("This tool intentionally returns an error for testing")


async def test_tool_with_logging(ctx: Context) -> str:
    """Logs three lines, with pauses."""
    await ctx.info("Tool execution started")
    await anyio.sleep(PAUSE_S)
    await ctx.info("Tool processing data")
    await anyio.sleep(PAUSE_S)
    await ctx.info("Tool execution completed")
    return "Logged three lines."


async def test_logging_tool(ctx: Context) -> str:
    """Logs one line to a caller that asked for log lines."""
    await ctx.info("Only for those who asked")
    return "Logged one line."


async def test_tool_with_progress(ctx: Context) -> str:
    """Reports progress three times, with pauses."""
    await ctx.report_progress(0, 100)
    await anyio.sleep(PAUSE_S)
    await ctx.report_progress(50, 100)
    await anyio.sleep(PAUSE_S)
    await ctx.report_progress(100, 100)
    return "Reported progress three times."


def test_custom_header(region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})] = "") -> str:
    """Takes an argument that clients repeat in a header."""
    return f"The region is {region!r}."


def json_schema_2020_12_tool(name: str = "", address: object = None, phone: str = "", email: str = "") -> str:
    return json.dumps({"name": name, "address": address, "phone": phone, "email": email})


def static_text() -> str:
    """A text."""
    return "This is the content of the static text resource."


def static_binary() -> bytes:
    """An image."""
    return PNG


def watched() -> str:
    """A text that can be subscribed to."""
    return "This is the content of the watched resource."


def template(id: str) -> str:
    """What belongs to an id."""
    return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


def test_simple_prompt() -> str:
    """One message."""
    return "This is a simple prompt for testing."


def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
    """One message with both arguments in it."""
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


def test_prompt_with_embedded_resource(resourceUri: str) -> list[Message]:  # noqa: N803  the suite names it
    """A resource and a message about it."""
    return [
        Message(_embedded(resourceUri, "Embedded resource content for testing.")),
        Message("Please process the embedded resource above."),
    ]


def test_prompt_with_image() -> list[Message]:
    """An image and a message about it."""
    return [Message(_image()), Message("Please analyze the image above.")]
