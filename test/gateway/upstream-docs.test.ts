/** The configurations that the guide shows are read as they stand there. */
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

/** Members alone: what is served, and by which certificate, stands in another section. */
const parts = Array.from(guide.matchAll(/\n## ([^\n]+)\n(?:(?!\n## )[^])*?```yaml\n([^]*?)```/g), ([, name, text]) => [
  name,
  text,
]).filter(([name]) => name !== 'In front of inference servers');

test('the sections with parts of one are these', () => {
  expect(parts.map(([name]) => name)).toEqual([
    ...['Tokens of an identity provider', 'Client certificates', 'Behind a proxy', 'Several machines', 'Operations'],
  ]);
});

test.each(parts)('%s', (_name, text) => {
  const listen = { tls: { cert: 'tls/server.pem', key: 'tls/server.key' } };
  const models = [{ name: 'digits', file: 'release/net.seal' }];
  const config = readGatewayConfig({ listen, models, ...(parse(text) as object) });
  expect(config.models.map(({ name }) => name)).toEqual(['digits']);
});
