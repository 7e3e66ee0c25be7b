import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { parseConfigText } from './config-text.ts';

const loads = vi.hoisted(() => ({ ofYaml: 0 }));
vi.mock('yaml', (load) => {
  loads.ofYaml++;
  return load();
});
const { parse } = await vi.importActual<typeof import('yaml')>('yaml');

const read = async (text: string): Promise<unknown> => parseConfigText(text).catch(() => 'refused');

const readAsYaml = (text: string): unknown => {
  try {
    return parse(text, { maxAliasCount: 32 });
  } catch {
    return 'refused';
  }
};

describe('a configuration in JSON', () => {
  it('has no reader of YAML loaded, which other texts have', async () => {
    expect(await read('{"a": {"b": [1]}}')).toEqual({ a: { b: [1] } });
    expect(loads.ofYaml).toBe(0);
    expect(await read('a: {b: [1]}')).toEqual({ a: { b: [1] } });
    expect(loads.ofYaml).toBe(1);
  });

  it.each([
    '{"listen":{"host":"127.0.0.1","port":0},"models":[{"name":"m","file":"m.onnx"}]}',
    '{"a": "with \\"quotes\\": and a colon", "b\\"": [1, -2.5e3, true, null, {}], "": {"a": []}}',
    '{"a" \n : 1, "__proto__": {"b": 2}}',
    '[1, {"a": 1}]',
    '"text"',
    'a: 1 # YAML\nb: [x, y]\n',
    '{"a": 1} # with a remark',
  ])('is read as by YAML: %s', async (text) => {
    expect(await read(text)).toEqual(readAsYaml(text));
    expect(await read(text)).not.toBe('refused');
  });

  it.each([
    '{"a":1,"a":2}',
    '{"a":{"b":[{"c":1,"c":1}]}}',
    '{"a":1,"\\u0061":2}',
    '{"a":1',
    'a: [',
    '{"a":1}\n{"b":2}',
  ])('is refused where YAML refuses it: %s', async (text) => {
    expect(readAsYaml(text)).toBe('refused');
    expect(await read(text)).toBe('refused');
  });

  it('is the value that was written, whatever it holds', async () => {
    await fc.assert(
      fc.asyncProperty(fc.object({ maxDepth: 4 }), async (value) => {
        const text = JSON.stringify(value, null, 1);
        expect(await read(text)).toEqual(JSON.parse(text));
      }),
    );
  });
});
