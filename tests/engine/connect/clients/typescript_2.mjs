// The TypeScript client 2: typescript_2.mjs FILE NAME TOOL. Prints one JSON line of what the entry's server said.
import { readFileSync } from 'node:fs';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport, getDefaultEnvironment } from '@modelcontextprotocol/client/stdio';

const [file, name, tool] = process.argv.slice(2);
const { command, args, env } = JSON.parse(readFileSync(file, 'utf8')).mcpServers[name];
const client = new Client(
  { name: 'typescript-2', version: '1' },
  { versionNegotiation: { mode: 'auto' } }
);
await client.connect(new StdioClientTransport({ command, args, env: { ...getDefaultEnvironment(), ...env } }));
const answer = await client.callTool({ name: tool, arguments: {} });
console.log(JSON.stringify({ protocol: client.getNegotiatedProtocolVersion(), answer: answer.structuredContent }));
await client.close();
