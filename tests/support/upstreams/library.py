"""A FastMCP server that has more to read than tools: resources, templates, prompts."""

from __future__ import annotations

import asyncio
from typing import Any

from fastmcp import FastMCP

PNG = bytes.fromhex("89504e470d0a1a0a")
LONG = "".join(f"line {number}\n" for number in range(12_000))


class Library:
    """What it has to read, and how often it was asked."""

    def __init__(self) -> None:
        self.reads = 0
        self.reading = asyncio.Event()

    def server(self, *, shelves: int = 0) -> FastMCP[Any]:
        """With so many numbered resources besides, twenty on a page."""
        server: FastMCP[Any] = FastMCP("library", list_page_size=20)
        server.tool(self.lend)
        server.resource("book://readme", name="readme", mime_type="text/plain", description="What\nthis is.")(
            self.readme
        )
        server.resource("book://long", name="long")(self.long)
        server.resource("book://cover", name="cover", mime_type="image/png")(self.cover)
        server.resource("book://sound", name="sound", mime_type="audio/wav")(self.cover)
        server.resource("book://slow", name="slow")(self.slow)
        server.resource("book://chapter/{number}", name="chapter")(self.chapter)
        server.prompt(name="review", description="How to review a book.")(self.review)
        for number in range(shelves):
            server.resource(f"shelf://{number:03}", name=f"shelf {number}")(self.readme)
        return server

    def lend(self) -> str:
        """Lends a book."""
        return "lent"

    def readme(self) -> str:
        return "This is a library."

    def long(self) -> str:
        return LONG

    def cover(self) -> bytes:
        return PNG

    async def slow(self) -> str:
        """The first time it takes for ever."""
        self.reads += 1
        self.reading.set()
        if self.reads == 1:
            await asyncio.Event().wait()
        return "at last"

    def chapter(self, number: int) -> str:
        return f"Chapter {number}."

    def review(self, title: str, tone: str = "kind") -> str:
        return f"Review '{title}' and be {tone}."
