"""The integration guide's own form: one question to a fresh container of the Docker CLI's.

    python3 guide.py        # in a folder with `.env`; the image is mcp-orchestrator:latest
"""

import json
import subprocess


def query_mcp_orchestrator(request):
    """Query MCP orchestrator from any Python app."""
    process = subprocess.Popen(
        ["docker", "run", "--rm", "-i", "--env-file", ".env", "mcp-orchestrator:latest", "python", "-m", "src.mcp_server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    # With both pipes closed and the process waited for, nothing is left.
    response, _ = process.communicate(json.dumps(request) + "\n")
    return json.loads(response.splitlines()[0])


if __name__ == "__main__":
    print(json.dumps(query_mcp_orchestrator({"method": "get_orchestrator_status", "params": {}})))
