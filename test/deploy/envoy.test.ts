/** The configuration for Envoy: read by the messages of its API with every rule that they carry, and held against what it must say. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeWhere } from '../shared-data.ts';
import { readRecipe } from './kit.ts';

const text = readRecipe('envoy', 'envoy.yaml');
const oracle = resolve(import.meta.dirname, '../oracles/envoy/envoy-oracle');

describeWhere(existsSync(oracle), 'the configuration for Envoy', 'test/oracles/envoy, built', () => {
  let work: string;
  beforeAll(() => {
    work = mkdtempSync(join(tmpdir(), 'modelward-envoy-'));
  });
  afterAll(() => {
    rmSync(work, { recursive: true, force: true });
  });
  const judge = (config: string) => {
    writeFileSync(join(work, 'envoy.yaml'), config);
    const { status, stdout, stderr } = spawnSync(oracle, [join(work, 'envoy.yaml')], { encoding: 'utf8' });
    return { status, types: stdout.trimEnd().split('\n'), stderr };
  };

  test('is one: no member that the API lacks, no rule broken, down to what is packed in it', () => {
    const { status, types, stderr } = judge(text);
    expect([status, stderr]).toEqual([0, '']);
    expect(types).toHaveLength(new Set(text.match(/type\.googleapis\.com\/[\w.]+/g)).size);
  });

  test.each([
    ['a member that is misspelt', 'normalize_path:', 'normalise_path:'],
    ['a type that is none', 'tls.v3.UpstreamTlsContext', 'tls.v3.UpstreamTlsContexts'],
    ['a word of no list', 'REJECT_REQUEST', 'REFUSE'],
    ['a port that is none', 'port_value: 8443', 'port_value: 70000'],
    ['a bucket that is never filled', 'tokens_per_fill: 2000', 'tokens_per_fill: 0'],
    ['no time to connect in', 'connect_timeout: 5s', 'connect_timeout: 0s'],
  ])('would be refused with %s', (_what, from, to) => {
    expect(text).toContain(from);
    expect(judge(text.replace(from, to)).status).toBe(1);
  });
});

describe('the configuration for Envoy', () => {
  test('speaks TLS 1.3 alone, both ways, and names the gateway that it takes', () => {
    expect(text.match(/tls_minimum_protocol_version: (\w+)/g)).toEqual(
      Array(2).fill('tls_minimum_protocol_version: TLSv1_3'),
    );
    expect(text).toMatch(/sni: gateway\.internal[\s\S]*matcher: \{ exact: gateway\.internal \}/);
  });

  test('rewrites no path, sends nothing twice, keeps no query and no header, and is administered from its host alone', () => {
    expect(text).toMatch(/normalize_path: false\s+merge_slashes: false/);
    expect(text).not.toMatch(/^\s+(retry_policy|prefix_rewrite|regex_rewrite|host_rewrite\w*):/m);
    const format = /inline_string: "(.*)"/.exec(text)?.[1] ?? '';
    expect(format.match(/%[A-Z_]+(\([^)]*\))?%/g)).toEqual([
      '%START_TIME%',
      '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%',
      '%REQ(:METHOD)%',
      '%RESPONSE_CODE%',
      '%BYTES_RECEIVED%',
      '%BYTES_SENT%',
      '%DURATION%',
    ]);
    expect(text).toMatch(/admin:\n[^\n]*\n\s+address: \{ socket_address: \{ address: 127\.0\.0\.1/);
  });
});
