"""An app that keeps a server of its own, through `mcpo-deploy run`: hardened, and gone when the app is.

    python3 client.py       # in the folder of an mcpo.yaml, or in any other one

Nothing but the standard library; with the official SDK it is `stdio_client(StdioServerParameters(
command="mcpo-deploy", args=["run"]))`.
"""

import itertools
import json
import subprocess


class Server:
    """MCP over the standard streams of a child, one request at a time."""

    def __init__(self, command=("mcpo-deploy", "run")):
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ids = itertools.count(1)

    def __enter__(self):
        self.request("initialize", {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "example", "version": "1"},
        })
        self.send({"method": "notifications/initialized"})
        return self

    def __exit__(self, *_):
        # The end of its input is what a server ends at.
        self.child.stdin.close()
        self.child.wait()

    def send(self, message):
        self.child.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self.child.stdin.flush()

    def request(self, method, params):
        number = next(self.ids)
        self.send({"id": number, "method": method, "params": params})
        for line in self.child.stdout:
            message = json.loads(line)
            if message.get("id") == number and "method" not in message:
                if "error" in message:
                    raise RuntimeError(message["error"]["message"])
                return message["result"]
        raise RuntimeError("the server ended before it answered")

    def call(self, tool, arguments):
        result = self.request("tools/call", {"name": tool, "arguments": arguments})
        text = "\n".join(part["text"] for part in result["content"] if part["type"] == "text")
        if result.get("isError"):
            raise RuntimeError(text)
        return result.get("structuredContent") or json.loads(text)


if __name__ == "__main__":
    with Server() as server:
        print(json.dumps(server.call("get_orchestrator_status", {})))
