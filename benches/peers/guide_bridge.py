# mcp_bridge.py
import asyncio
import websockets
import json
import subprocess
import os

async def handle_client(websocket):
    """Bridge WebSocket requests to MCP server via stdio."""
    process = await asyncio.create_subprocess_exec(
        'python', '-m', 'src.mcp_server',
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ}
    )
    
    async def read_from_mcp():
        while True:
            line = await process.stdout.readline()
            if not line:
                break
            await websocket.send(line.decode())
    
    asyncio.create_task(read_from_mcp())
    
    try:
        async for message in websocket:
            process.stdin.write(message.encode() + b'\n')
            await process.stdin.drain()
    finally:
        process.terminate()
        await process.wait()

async def main():
    async with websockets.serve(handle_client, "0.0.0.0", 8765):
        await asyncio.Future()  # run forever

if __name__ == "__main__":
    asyncio.run(main())
