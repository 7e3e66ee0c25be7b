/** Inference, folding and optimisation on the command line: what is measured is printed, and what differs is not written. */
import { cpSync, existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FoldFileResult, FoundNode, InferFileReport, OptimizeFileResult } from '../../src/workflows/index.ts';
import { createWorkplace, samples, type Workplace } from './command.ts';

let place: Workplace;
beforeAll(() => {
  place = createWorkplace({ isOneProcess: true });
  for (const name of ['cnn.onnx', 'eval.npz']) cpSync(join(samples, name), join(place.folder, name));
});
afterAll(() => {
  place.remove();
});

const at = (name: string): string => join(place.folder, name);

function countNodes(model: string, ...ops: readonly string[]): number {
  return place.json<{ nodes: readonly FoundNode[] }>(['graph', 'find', model, '--op', ...ops]).nodes.length;
}

describe('graph infer', () => {
  test('every value has its type and shape, in symbols or for one batch size', () => {
    const find = (report: InferFileReport) => report.values.find(({ name }) => name === 'GlobalAveragePool_16_output');
    const report = place.json<InferFileReport>(['graph', 'infer', 'cnn.onnx', '--no-trust']);
    expect(find(report)).toMatchObject({ dtype: 'f32', shape: ['N', 208, 1, 1] });
    expect(report).toMatchObject({ findings: [], unknownOperators: {}, shapedValues: report.values.length });
    const fixed = place.json<InferFileReport>(['graph', 'infer', 'cnn.onnx', '--dim', 'N=8']);
    expect(find(fixed)).toMatchObject({ shape: [8, 208, 1, 1] });
    expect(fixed.knownValues).toBe(fixed.values.length);
  });

  test('a shape that contradicts the nodes is named, and the exit code is 1', () => {
    place.json(['graph', 'add-output', 'cnn.onnx', 'Relu_2_output:f32[N,99,6,6]', '--out', 'wrong.onnx']);
    const run = place.run(['graph', 'infer', 'wrong.onnx']);
    expect(run.status).toBe(1);
    expect(run.stdout).toMatch(/declared\s+Relu_2\s+Relu_2_output: dimension 1 is 99, but it is 24/);
  });
});

describe('graph fold', () => {
  test('a node over constants becomes one; the plan replays to the same bytes, without a runtime', () => {
    place.json(['graph', 'insert-after', 'cnn.onnx', 'fc.bias', '--op', 'Sigmoid', '--out', 'late.onnx']);
    const folded = place.json<FoldFileResult>([
      'graph',
      'fold',
      'late.onnx',
      '--out',
      'folded.onnx',
      '--plan',
      'f.json',
    ]);
    expect(folded.fold.known + folded.fold.computed).toBe(1);
    expect(countNodes('folded.onnx', 'Sigmoid')).toBe(0);
    place.json(['graph', 'apply', 'f.json', 'late.onnx', '--out', 'fleet']);
    expect(readFileSync(at('fleet/late.onnx')).equals(readFileSync(at('folded.onnx')))).toBe(true);
  });
});

describe('graph optimize', () => {
  test('batch norms are fused; nodes, bytes, outputs and time are measured', () => {
    const result = place.json<OptimizeFileResult>(['graph', 'optimize', 'cnn.onnx', '--out', 'small.onnx']);
    const { before, after, comparison } = result.report;
    expect(after.nodes).toBe(before.nodes - 5);
    expect(after.bytes).toBe(statSync(at('small.onnx')).size);
    expect(comparison).toMatchObject({ agreed: true, runs: 16 });
    expect(result).toMatchObject({ inputs: 'seeded probes', latency: { pairs: 15 } });
    expect(countNodes('small.onnx', 'BatchNormalization')).toBe(0);
  });

  test('f16 halves the file, compared on the data that is given; the summary says what was measured', () => {
    const args = ['graph', 'optimize', 'cnn.onnx', '--fp16', '--eval', 'eval.npz', '--out', 'half.onnx'];
    const { status, stdout } = place.run(args);
    expect(status).toBe(0);
    expect(stdout).toMatch(/output logits\s+differs by [\d.]+e-\d of its largest value at most/);
    expect(stdout).toMatch(/compared on\s+\d+ runs of npz data/);
    expect(stdout).toMatch(/time\s+× \d/);
    expect(statSync(at('half.onnx')).size).toBeLessThan(0.55 * statSync(at('cnn.onnx')).size);
  });

  test('a model that gives other outputs each time is not written: exit code 1', () => {
    place.json(['graph', 'insert-after', 'cnn.onnx', 'logits', '--op', 'RandomNormalLike', '--out', 'random.onnx']);
    const run = place.run(['graph', 'optimize', 'random.onnx', '--out', 'never.onnx']);
    expect(run.status).toBe(1);
    expect(run.stdout).toContain('nothing written: outputs differ');
    expect(existsSync(at('never.onnx'))).toBe(false);
    place.json(['graph', 'optimize', 'random.onnx', '--out', 'asked.onnx', '--unmeasured']);
    expect(existsSync(at('asked.onnx'))).toBe(true);
  });

  test('passes are taken in the order given; another name is refused', () => {
    const args = ['graph', 'optimize', 'cnn.onnx', '--dry-run', '--unmeasured', '--passes'];
    const { report } = place.json<OptimizeFileResult>([...args, 'deduplicate', 'cleanup']);
    expect(report.passes.map(({ id }) => id)).toEqual(['deduplicate', 'cleanup']);
    expect(place.run([...args, 'shrink']).status).toBe(2);
  });
});
