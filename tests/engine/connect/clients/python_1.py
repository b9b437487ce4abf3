"""The Python SDK 1: python_1.py FILE NAME TOOL. Prints one JSON line of what the entry's server said."""

import asyncio
import json
import sys

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

file, name, tool = sys.argv[1:]
with open(file, encoding="utf-8") as read:
    entry = json.load(read)["mcpServers"][name]


async def main():
    server = StdioServerParameters(command=entry["command"], args=entry["args"], env=entry.get("env"))
    async with stdio_client(server) as (incoming, outgoing):
        async with ClientSession(incoming, outgoing) as session:
            agreed = await session.initialize()
            answer = await session.call_tool(tool, {})
            print(json.dumps({"protocol": agreed.protocolVersion, "answer": answer.structuredContent}))


asyncio.run(main())
