// The TypeScript SDK 1: typescript_1.mjs FILE NAME TOOL. Prints one JSON line of what the entry's server said.
import { readFileSync } from 'node:fs';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport, getDefaultEnvironment } from '@modelcontextprotocol/sdk/client/stdio.js';

const [file, name, tool] = process.argv.slice(2);
const { command, args, env } = JSON.parse(readFileSync(file, 'utf8')).mcpServers[name];
const client = new Client({ name: 'typescript-1', version: '1' });
await client.connect(new StdioClientTransport({ command, args, env: { ...getDefaultEnvironment(), ...env } }));
const answer = await client.callTool({ name: tool, arguments: {} });
console.log(JSON.stringify({ server: client.getServerVersion().name, answer: answer.structuredContent }));
await client.close();
