// The TypeScript client 2: typescript_2.mjs URL legacy|modern. Prints one JSON line of what it saw.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

const [url, era] = process.argv.slice(2);
const asked = [];
const progress = [];
const client = new Client(
  { name: 'typescript-2', version: '1' },
  {
    capabilities: { sampling: {}, elicitation: {} },
    // "auto" asks first which era the server is of.
    versionNegotiation: { mode: era === 'legacy' ? 'legacy' : 'auto' }
  }
);
client.setRequestHandler('elicitation/create', ({ params }) => {
  asked.push('elicitation/create');
  const [field] = Object.keys(params.requestedSchema.properties);
  return { action: 'accept', content: { [field]: `my ${field}` } };
});
client.setRequestHandler('sampling/createMessage', () => {
  asked.push('sampling/createMessage');
  return { role: 'assistant', content: { type: 'text', text: 'Paris' }, model: 'none' };
});

const transport = new StreamableHTTPClientTransport(new URL(url));
await client.connect(transport);
const { tools } = await client.listTools();
const call = (name, args = {}, options) => client.callTool({ name, arguments: args }, options);
const echo = await call('echo', { word: 'café', number: 9007199254740991 });
await call('test_tool_with_progress', {}, { onprogress: (report) => progress.push(report.progress) });
const rounds = await call('test_input_required_result_multi_round');
const capital = await call('test_input_required_result_sampling');
const failed = await call('test_error_handling');
const seen = {
  protocol: client.getNegotiatedProtocolVersion(),
  tools: tools.length,
  echo: echo.structuredContent,
  progress,
  asked,
  told: [rounds, capital].map((result) => result.content[0].text),
  failed: failed.isError
};
console.log(JSON.stringify(seen));
await client.close();
