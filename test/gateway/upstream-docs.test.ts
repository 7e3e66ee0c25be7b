/** The configurations that the guide shows in front of inference servers are read as they stand there. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { readGatewayConfig } from '../../src/gateway/index.ts';

const guide = readFileSync(join(import.meta.dirname, '../../docs/gateway.md'), 'utf8');
const section = /\n## In front of inference servers\n[^]*?(?=\n## )/.exec(guide)![0];
const shown = Array.from(section.matchAll(/\*\*([^*]+)\.\*\*[^]*?```yaml\n([^]*?)```/g), ([, name, text]) => [
  name,
  text,
]);

test('every server of the guide has one', () => {
  expect(shown.map(([name]) => name)).toEqual([
    ...['Triton', 'KServe', 'vLLM', 'llama.cpp', 'TorchServe', 'SageMaker', 'Vertex AI'],
  ]);
});

test.each(shown)('%s', (_name, text) => {
  const config = readGatewayConfig(parse(text));
  expect(config.protocols).toEqual(config.upstreams.map(({ protocol }) => protocol));
  expect(config.upstreams.every(({ models }) => models.length === 1)).toBe(true);
});
