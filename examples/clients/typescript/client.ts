// An app that keeps a server of its own, through `mcpo-deploy run`: hardened, and gone when the app is.
//
//     node client.ts       # in the folder of an mcpo.yaml, or in any other one
//
// Nothing but Node 22.18 or later; with the official SDK it is
// `new StdioClientTransport({ command: "mcpo-deploy", args: ["run"] })`.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { once } from "node:events";

type Message = { id?: number; method?: string; result?: any; error?: { message: string } };

class Server {
  #child;
  #lines;
  #next = 1;

  constructor(command = "mcpo-deploy", args = ["run"]) {
    this.#child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async open(): Promise<void> {
    const clientInfo = { name: "example", version: "1" };
    await this.#request("initialize", { protocolVersion: "2025-11-25", capabilities: {}, clientInfo });
    this.#send({ method: "notifications/initialized" });
  }

  async call(tool: string, args: object): Promise<unknown> {
    const result = await this.#request("tools/call", { name: tool, arguments: args });
    const text = result.content.filter((part: any) => part.type === "text").map((part: any) => part.text).join("\n");
    if (result.isError) throw new Error(text);
    return result.structuredContent ?? JSON.parse(text);
  }

  // The end of its input is what a server ends at.
  async close(): Promise<void> {
    this.#child.stdin.end();
    if (this.#child.exitCode === null) await once(this.#child, "exit");
  }

  #send(message: object): void {
    this.#child.stdin.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\n");
  }

  async #request(method: string, params: object): Promise<any> {
    const id = this.#next++;
    this.#send({ id, method, params });
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) throw new Error("the server ended before it answered");
      const message: Message = JSON.parse(value);
      if (message.id !== id || message.method !== undefined) continue;
      if (message.error) throw new Error(message.error.message);
      return message.result;
    }
  }
}

const server = new Server();
await server.open();
console.log(JSON.stringify(await server.call("get_orchestrator_status", {})));
await server.close();
