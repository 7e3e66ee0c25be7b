/** Graph surgery on the command line: every verb is there, edits can be replayed, and fleets resume. */
import { createHash } from 'node:crypto';
import { chmodSync, cpSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { VERB_ROWS } from '../../src/cli/commands/graph/verbs/index.ts';
import { toNpyBytes } from '../../src/fidelity/index.ts';
import { openModelPath } from '../../src/formats/index.ts';
import { VERB_NAMES } from '../../src/surgery/index.ts';
import type { EditFileResult, FleetItem, FoundNode } from '../../src/workflows/index.ts';
import { createWorkplace, samples, type Workplace } from './command.ts';

let place: Workplace;
beforeAll(() => {
  place = createWorkplace({ isOneProcess: true });
  cpSync(join(samples, 'cnn.onnx'), join(place.folder, 'cnn.onnx'));
  cpSync(join(samples, 'mlp.onnx'), join(place.folder, 'mlp.onnx'));
});
afterAll(() => {
  place.remove();
});

const at = (name: string): string => join(place.folder, name);
const sha256 = (name: string): string =>
  createHash('sha256')
    .update(readFileSync(at(name)))
    .digest('hex');

/** Runs an editing verb on the CNN into `out`. */
function edit(out: string, ...args: readonly string[]): EditFileResult {
  const [verb, ...rest] = args;
  return place.json<EditFileResult>(['graph', verb, 'cnn.onnx', ...rest, '--out', out, '--force']);
}

function find(model: string, ...args: readonly string[]): readonly FoundNode[] {
  return place.json<{ nodes: readonly FoundNode[] }>(['graph', 'find', model, ...args]).nodes;
}

describe('looking', () => {
  test('nodes are found by operator, expression and wire; one is explained with its neighbours', () => {
    expect(find('cnn.onnx', '--op', 'Conv', 'Gemm')).toHaveLength(6);
    expect(find('cnn.onnx', '--name', '/^relu_2$/i').map(({ outputs }) => outputs)).toEqual([['Relu_2_output']]);
    expect(find('cnn.onnx', '--reads', 'conv2.weight')).toMatchObject([{ op: 'Conv' }]);
    const node = place.json(['graph', 'explain', 'cnn.onnx', 'logits']);
    expect(node).toMatchObject({
      op: 'Gemm',
      madeBy: [{ source: 'Flatten Flatten_17' }, { source: 'initializer' }, { source: 'initializer' }],
      readBy: [{ value: 'logits', readers: [] }],
    });
  });

  test('a valid graph breaks no rule, a broken one exits 1 with the rule', () => {
    expect(place.json(['graph', 'validate', 'cnn.onnx'])).toEqual({ problems: [], count: 0 });
    const bytes = readFileSync(at('cnn.onnx'));
    const from = bytes.lastIndexOf('Relu_2_output');
    bytes.write('Relu_x_output', from, 'latin1');
    writeFileSync(at('broken.onnx'), bytes);
    const run = place.run(['graph', 'validate', 'broken.onnx', '--json', '--quiet']);
    expect(run.status).toBe(1);
    expect(run.stdout).toContain('undefined-value');
  });
});

describe('editing', () => {
  test('every verb of a plan that edits one model has its command', () => {
    const commands = new Set(VERB_ROWS.map(({ name }) => name));
    const twins: Readonly<Record<string, string>> = {
      initializerToConstant: 'to-constant',
      constantToInitializer: 'to-initializer',
    };
    const kebab = (verb: string): string => verb.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    // Steps that passes take (fp16 cast, batch norm fusion); their command is the pass.
    const ofPasses = new Set<string>(['castTensor', 'scaleTensor', 'setType']);
    const missing = VERB_NAMES.filter((verb) => !ofPasses.has(verb) && !commands.has(twins[verb] ?? kebab(verb)));
    expect(missing).toEqual([]);
  });

  test('a node goes in behind a value with its attributes, and out again: the file is the first one', () => {
    edit(
      'stamped.onnx',
      'insert-after',
      'Relu_2_output',
      '--op',
      'LeakyRelu',
      '--attribute',
      'alpha=0.5',
      '--name',
      'mine',
    );
    expect(find('stamped.onnx', '--name', 'mine')).toMatchObject([{ op: 'LeakyRelu', inputs: ['Relu_2_output'] }]);
    place.json(['graph', 'remove', 'stamped.onnx', 'mine', '--reconnect', '--out', 'back.onnx']);
    expect(sha256('back.onnx')).toBe(sha256('cnn.onnx'));
  });

  test('elements of a tensor come from an npy file; all others keep their bytes', () => {
    const data = new Uint8Array(new Float32Array([7, 8]).buffer);
    writeFileSync(at('two.npy'), toNpyBytes({ dtype: 'f32', shape: [2], data }));
    edit('tensor.onnx', 'edit-tensor', 'fc.bias', '--start', '3', '--tensor', 'two.npy');
    const read = (name: string): Float32Array => {
      const model = openModelPath(at(name));
      const bytes = new Uint8Array(40);
      model.tensors.find((tensor) => tensor.name === 'fc.bias')!.read(0, bytes);
      model.close();
      return new Float32Array(bytes.buffer);
    };
    const expected = read('cnn.onnx');
    expected.set([7, 8], 3);
    expect(read('tensor.onnx')).toEqual(expected);
  });

  test('values, nodes, attributes, inputs and outputs are changed by name', () => {
    edit('named.onnx', 'rename-value', 'input', 'image');
    expect(find('named.onnx', '--reads', 'image')).toMatchObject([{ op: 'Conv' }]);
    edit('node.onnx', 'rename-node', 'Gemm_18', 'head');
    expect(find('node.onnx', '--name', 'head')).toHaveLength(1);
    edit('out.onnx', 'add-output', 'Relu_2_output');
    const model = openModelPath(at('out.onnx'));
    expect(model.graph!.outputs.map(({ name }) => name)).toEqual(['logits', 'Relu_2_output']);
    model.close();
  });

  test('a part becomes a model of its own, and is put behind the other part again', () => {
    edit('tail.onnx', 'extract', '--inputs', 'Flatten_17_output:f32[n,208]', '--outputs', 'logits');
    edit('head.onnx', 'extract', '--inputs', 'input', '--outputs', 'Flatten_17_output');
    expect(find('tail.onnx')).toHaveLength(1);
    const join = ['--connect', 'Flatten_17_output=Flatten_17_output', '--prefix', 't_'];
    place.json(['graph', 'merge', 'head.onnx', 'tail.onnx', ...join, '--out', 'whole.onnx']);
    expect(find('whole.onnx')).toHaveLength(find('cnn.onnx').length);
    expect(place.json(['graph', 'validate', 'whole.onnx'])).toEqual({ problems: [], count: 0 });
    edit('prefixed.onnx', 'prefix', 'a_');
    expect(find('prefixed.onnx', '--name', 'a_Gemm_18')).toHaveLength(1);
  });

  test('--in-place edits the model itself, with its permission bits; it and --out do not go together', () => {
    cpSync(at('cnn.onnx'), at('own.onnx'));
    chmodSync(at('own.onnx'), 0o600);
    edit('copy.onnx', 'rename-node', 'Gemm_18', 'Gemm_19');
    const verb = ['graph', 'rename-node', 'own.onnx', 'Gemm_18', 'Gemm_19', '--in-place'];
    expect(place.json(verb)).toMatchObject({ edited: { path: at('own.onnx'), sha256: null } });
    expect(sha256('own.onnx')).toBe(sha256('copy.onnx'));
    expect(statSync(at('own.onnx')).mode & 0o777).toBe(0o600);
    expect(place.run([...verb, '--out', 'other.onnx']).status).toBe(2);
    expect(existsSync(at('other.onnx'))).toBe(false);
  });

  test('what would break the graph writes nothing and says the rule; a dry run writes nothing either', () => {
    const refused = place.run(['graph', 'remove', 'cnn.onnx', 'Relu_2', '--out', 'never.onnx', '--json']);
    expect(refused.status).toBe(2);
    expect(JSON.parse(refused.stdout)).toMatchObject({ error: { code: expect.stringMatching(/^SURGERY_/) as string } });
    edit('never.onnx', 'cleanup', '--dry-run');
    expect(existsSync(at('never.onnx'))).toBe(false);
    const unknown = place.run(['graph', 'rename-value', 'cnn.onnx', 'nosuch', 'x', '--out', 'never.onnx', '--json']);
    expect(JSON.parse(unknown.stdout)).toMatchObject({ error: { code: 'SURGERY_VALUE_MISSING' } });
  });
});

describe('a plan over a fleet', () => {
  test('replays to the same bytes, skips what is there, tells what failed, and goes on', () => {
    edit('once.onnx', 'insert-after', 'logits', '--op', 'Identity', '--name', 'stamp', '--plan', 'stamp.json');
    for (const name of ['a', 'b', 'c']) cpSync(at('cnn.onnx'), at(`${name}.onnx`));
    writeFileSync(at('bad.onnx'), 'not a model');
    const apply = (): { status: number | null; models: readonly FleetItem[] } => {
      const files = ['a.onnx', 'b.onnx', 'bad.onnx', 'c.onnx', 'mlp.onnx'];
      const run = place.run(['graph', 'apply', 'stamp.json', ...files, '--out', 'fleet', '--json', '--quiet']);
      return { status: run.status, ...(JSON.parse(run.stdout) as { models: readonly FleetItem[] }) };
    };
    const first = apply();
    expect(first.status).toBe(3);
    expect(first.models.map(({ outcome }) => outcome)).toEqual(['edited', 'edited', 'failed', 'edited', 'edited']);
    for (const name of ['a', 'b', 'c']) expect(sha256(`fleet/${name}.onnx`)).toBe(sha256('once.onnx'));
    rmSync(at('fleet/b.onnx'));
    const second = apply();
    expect(second.models.map(({ outcome }) => outcome)).toEqual(['present', 'edited', 'failed', 'present', 'present']);
    expect(sha256('fleet/b.onnx')).toBe(sha256('once.onnx'));
  });

  test('a malformed plan is refused before the first model', () => {
    writeFileSync(at('plan.json'), '{"format":"modelward-edit-plan","version":1,"steps":[{"verb":"nosuch"}]}');
    const run = place.run(['graph', 'apply', 'plan.json', 'cnn.onnx', '--out', 'none', '--json']);
    expect(run.status).toBe(3);
    expect(JSON.parse(run.stdout)).toMatchObject({ error: { code: 'SURGERY_PLAN_MALFORMED' } });
    expect(existsSync(at('none'))).toBe(false);
  });
});
