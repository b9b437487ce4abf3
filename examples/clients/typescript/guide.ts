// The integration guide's own form: one question to a fresh container of the Docker CLI's.
//
//     node guide.ts        # in a folder with `.env`; the image is mcp-orchestrator:latest
//
// Node 22.18 and later runs it as it is.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

async function queryMcpOrchestrator(request: object): Promise<unknown> {
  const child = spawn(
    "docker",
    ["run", "--rm", "-i", "--env-file", ".env", "mcp-orchestrator:latest", "python", "-m", "src.mcp_server"],
    { stdio: ["pipe", "pipe", "inherit"] },
  );
  child.stdin.end(JSON.stringify(request) + "\n");
  for await (const line of createInterface({ input: child.stdout })) {
    return JSON.parse(line);
  }
  throw new Error("the server ended before it answered");
}

console.log(JSON.stringify(await queryMcpOrchestrator({ method: "get_orchestrator_status", params: {} })));
