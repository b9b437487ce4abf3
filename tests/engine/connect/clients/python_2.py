"""The Python SDK 2: python_2.py FILE NAME TOOL. Prints one JSON line of what the entry's server said."""

import asyncio
import json
import sys

from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

file, name, tool = sys.argv[1:]
with open(file, encoding="utf-8") as read:
    entry = json.load(read)["mcpServers"][name]


async def main():
    server = StdioServerParameters(command=entry["command"], args=entry["args"], env=entry.get("env"))
    async with Client(stdio_client(server)) as client:
        answer = await client.call_tool(tool, {})
        print(json.dumps({"protocol": client.protocol_version, "answer": answer.structured_content}))


asyncio.run(main())
