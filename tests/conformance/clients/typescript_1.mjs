// The TypeScript SDK 1: typescript_1.mjs URL legacy. Prints one JSON line of what it saw.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CreateMessageRequestSchema, ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';

const [url] = process.argv.slice(2);
const asked = [];
const progress = [];
const capabilities = { sampling: {}, elicitation: {} };
const client = new Client({ name: 'typescript-1', version: '1' }, { capabilities });
client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
  asked.push('elicitation/create');
  const [field] = Object.keys(params.requestedSchema.properties);
  return { action: 'accept', content: { [field]: `my ${field}` } };
});
client.setRequestHandler(CreateMessageRequestSchema, () => {
  asked.push('sampling/createMessage');
  return { role: 'assistant', content: { type: 'text', text: 'Paris' }, model: 'none' };
});

const transport = new StreamableHTTPClientTransport(new URL(url));
await client.connect(transport);
const { tools } = await client.listTools();
const call = (name, args = {}, options) => client.callTool({ name, arguments: args }, undefined, options);
const echo = await call('echo', { word: 'café', number: 9007199254740991 });
await call('test_tool_with_progress', {}, { onprogress: (report) => progress.push(report.progress) });
const rounds = await call('test_input_required_result_multi_round');
const capital = await call('test_input_required_result_sampling');
const failed = await call('test_error_handling');
const seen = {
  protocol: transport.protocolVersion,
  tools: tools.length,
  echo: echo.structuredContent,
  progress,
  asked,
  told: [rounds, capital].map((result) => result.content[0].text),
  failed: failed.isError
};
console.log(JSON.stringify(seen));
await transport.terminateSession();
await client.close();
