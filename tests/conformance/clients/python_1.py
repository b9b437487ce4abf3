"""The Python SDK 1: python_1.py URL legacy. Prints one JSON line of what it saw."""

import asyncio
import json
import sys

from mcp import ClientSession, types
from mcp.client.streamable_http import streamablehttp_client

url, era = sys.argv[1:]
progress, asked = [], []


async def elicited(_context, params):
    asked.append("elicitation/create")
    [field] = params.requestedSchema["properties"]
    return types.ElicitResult(action="accept", content={field: f"my {field}"})


async def sampled(_context, _params):
    asked.append("sampling/createMessage")
    content = types.TextContent(type="text", text="Paris")
    return types.CreateMessageResult(role="assistant", content=content, model="none")


async def progressed(done, _total, _message):
    progress.append(done)


async def main():
    async with streamablehttp_client(url) as (read, write, _):
        async with ClientSession(read, write, sampling_callback=sampled, elicitation_callback=elicited) as session:
            agreed = await session.initialize()
            tools = (await session.list_tools()).tools
            echo = await session.call_tool("echo", {"word": "café", "number": 9007199254740991})
            await session.call_tool("test_tool_with_progress", {}, progress_callback=progressed)
            rounds = await session.call_tool("test_input_required_result_multi_round", {})
            capital = await session.call_tool("test_input_required_result_sampling", {})
            failed = await session.call_tool("test_error_handling", {})
            seen = {
                "protocol": agreed.protocolVersion,
                "tools": len(tools),
                "echo": echo.structuredContent,
                "progress": progress,
                "asked": asked,
                "told": [rounds.content[0].text, capital.content[0].text],
                "failed": failed.isError,
            }
            print(json.dumps(seen))


asyncio.run(main())
