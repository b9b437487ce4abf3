"""The Python SDK 2: python_2.py URL legacy|modern. Prints one JSON line of what it saw."""

import asyncio
import json
import sys

import mcp_types as types
from mcp.client.client import Client

url, era = sys.argv[1:]
progress, asked = [], []


async def elicited(_context, params):
    asked.append("elicitation/create")
    [field] = params.requested_schema["properties"]
    return types.ElicitResult(action="accept", content={field: f"my {field}"})


async def sampled(_context, _params):
    asked.append("sampling/createMessage")
    content = types.TextContent(type="text", text="Paris")
    return types.CreateMessageResult(role="assistant", content=content, model="none")


async def progressed(done, _total, _message):
    progress.append(done)


async def main():
    # "auto" asks first which era the server is of.
    mode = "legacy" if era == "legacy" else "auto"
    async with Client(url, mode=mode, sampling_callback=sampled, elicitation_callback=elicited) as client:
        tools = (await client.list_tools()).tools
        echo = await client.call_tool("echo", {"word": "café", "number": 9007199254740991})
        await client.call_tool("test_tool_with_progress", {}, progress_callback=progressed)
        rounds = await client.call_tool("test_input_required_result_multi_round", {})
        capital = await client.call_tool("test_input_required_result_sampling", {})
        failed = await client.call_tool("test_error_handling", {})
        seen = {
            "protocol": client.protocol_version,
            "tools": len(tools),
            "echo": echo.structured_content,
            "progress": progress,
            "asked": asked,
            "told": [rounds.content[0].text, capital.content[0].text],
            "failed": failed.is_error,
        }
        print(json.dumps(seen))


asyncio.run(main())
