import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { codeOf } from '../../../../test/error-code.ts';
import { ModelwardError } from '../../../core/errors.ts';
import type { FleetItem, FleetJob } from '../fleet.ts';
import { acceptJob, acceptResult, type JobMessage, toJobId, toJobMessage, toResultMessage } from './messages.ts';

const MIB = 1024 * 1024;
let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'queue-messages-'));
  mkdirSync(join(root, 'in'));
  symlinkSync('/etc', join(root, 'away'));
  symlinkSync('a.onnx', join(root, 'in/link.onnx'));
});
afterAll(() => {
  rmSync(root, { recursive: true });
});

const good: JobMessage = {
  ...{ format: 'modelward-fleet-job', version: 1 },
  ...{ model: 'in/a.onnx', out: 'out/a.onnx', plan: '{}', force: false },
};
const job = (): FleetJob => ({
  path: join(root, 'in/a.onnx'),
  out: join(root, 'out/a.onnx'),
  plan: '{}',
  force: false,
});
const accept = (data: unknown, mayReplace = false): FleetJob => acceptJob(data, { root, mayReplace });

describe('a job', () => {
  test('says where its files lie below the folder that is shared, wherever that is', () => {
    expect(toJobMessage(root, job())).toEqual(good);
    expect(accept(good)).toEqual(job());
    expect(acceptJob(good, { root: '/mnt/share', mayReplace: false })).toMatchObject({ path: '/mnt/share/in/a.onnx' });
  });

  test('has an id that is what it says: the vector of docs/spec/fleet-queue.md', () => {
    expect(toJobId(good)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(toJobId(good)).toBe('57a2cf23-7c29-838e-9821-b7a5de3f8a0a');
    const others = [{ model: 'in/b.onnx' }, { out: 'o/a.onnx' }, { plan: '{ }' }, { force: true }];
    expect(new Set([good, ...others.map((part) => ({ ...good, ...part }))].map(toJobId)).size).toBe(5);
  });

  test.each([
    ['a model outside', { path: '/elsewhere/a.onnx' }, 'QUEUE_OUTSIDE_ROOT'],
    ['a copy outside', { out: '/elsewhere/a.onnx' }, 'QUEUE_OUTSIDE_ROOT'],
    ['a plan too large', { plan: 'é'.repeat(MIB / 2 + 1) }, 'QUEUE_PLAN_TOO_LARGE'],
  ])('is not sent with %s', (_, part, code) => {
    expect(codeOf(() => toJobMessage(root, { ...job(), ...part }))).toBe(code);
  });

  test.each<[string, object | null, string]>([
    ['nothing', null, 'QUEUE_JOB_REFUSED'],
    ['a version to come', { version: 2 }, 'QUEUE_JOB_REFUSED'],
    ['a member that is not known', { dataRoot: '/' }, 'QUEUE_JOB_REFUSED'],
    ['a plan that is no text', { plan: {} }, 'QUEUE_JOB_REFUSED'],
    ['a plan of too many characters', { plan: ' '.repeat(MIB + 1) }, 'QUEUE_JOB_REFUSED'],
    ['a plan of too many bytes', { plan: 'é'.repeat(MIB / 2 + 1) }, 'QUEUE_JOB_REFUSED'],
    ['replacing a file', { force: true }, 'QUEUE_JOB_REFUSED'],
    ['writing over the model', { out: 'in/a.onnx' }, 'QUEUE_JOB_REFUSED'],
    ['writing over the model by another spelling', { out: './in/a.onnx' }, 'QUEUE_JOB_REFUSED'],
    ['another name for the copy', { out: 'out/.bashrc' }, 'QUEUE_JOB_REFUSED'],
    ['a path of too many characters', { model: 'a'.repeat(5000) }, 'QUEUE_JOB_REFUSED'],
    ['a model above', { model: '../a.onnx' }, 'SOURCE_OUTSIDE_FOLDER'],
    ['a copy above', { out: 'out/../../a.onnx' }, 'SOURCE_OUTSIDE_FOLDER'],
    ['an absolute path', { model: '/etc/a.onnx' }, 'SOURCE_OUTSIDE_FOLDER'],
    ['a folder that is a link', { model: 'away/a.onnx' }, 'SOURCE_LINK_REFUSED'],
    ['a copy behind a link', { out: 'away/new/a.onnx' }, 'SOURCE_LINK_REFUSED'],
    ['a model that is a link', { model: 'in/link.onnx', out: 'out/link.onnx' }, 'SOURCE_LINK_REFUSED'],
  ])('with %s is refused', (_, part, code) => {
    expect(codeOf(() => accept(part === null ? null : { ...good, ...part }))).toBe(code);
  });

  test('may replace a file where the worker allows it', () => {
    expect(accept({ ...good, force: true }, true)).toEqual({ ...job(), force: true });
  });

  test('of any shape is accepted or refused with a code', () => {
    const shapes = fc.oneof(
      fc.jsonValue(),
      fc.record({ ...toConstants(good), model: fc.string(), out: fc.string(), force: fc.boolean() }),
    );
    fc.assert(
      fc.property(shapes, (data) => {
        const accepted = codeOf(() => accept(data, true)) === 'no error';
        if (accepted) expect(accept(data, true).out.startsWith(`${root}/`)).toBe(true);
      }),
    );
  });
});

/** Every member as it is. */
function toConstants<T extends object>(value: T): { [K in keyof T]: fc.Arbitrary<T[K]> } {
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, fc.constant(one as T[keyof T])])) as {
    [K in keyof T]: fc.Arbitrary<T[K]>;
  };
}

describe('a result', () => {
  const problem = { rule: 'cycle', severity: 'error', scope: '', name: 'v', node: 'n' } as const;
  const edited = (): FleetItem & { outcome: 'edited' } => ({
    ...{ path: job().path, outcome: 'edited', plan: null, steps: 2, inherited: [problem], warnings: [] },
    edited: { path: job().out, sha256: 'ab'.repeat(32) },
  });

  test('comes back as the worker had it', () => {
    const items: FleetItem[] = [
      edited(),
      { ...edited(), edited: { path: join(job().out, 'model.onnx'), sha256: null } },
      { path: job().path, outcome: 'present', out: job().out },
      { path: job().path, outcome: 'failed', code: 'ONNX_MALFORMED', message: 'The file is malformed.' },
    ];
    for (const item of items) expect(acceptResult(toResultMessage(job(), item), job())).toEqual(item);
  });

  test('has long names cut', () => {
    const long = { ...edited(), warnings: [{ ...problem, name: 'x'.repeat(5000) }] };
    const back = acceptResult(toResultMessage(job(), long), job());
    expect(back).toMatchObject({ warnings: [{ name: 'x'.repeat(1024) }] });
  });

  test('holds no text that the database refuses', () => {
    const odd = `a\0b\ud800c😀${'x'.repeat(1016)}😀`;
    const back = acceptResult(toResultMessage(job(), { ...edited(), warnings: [{ ...problem, name: odd }] }), job());
    expect(back).toMatchObject({ warnings: [{ name: `a\ufffdb\ufffdc😀${'x'.repeat(1016)}\ufffd` }] });
  });

  test.each<[string, object | null]>([
    ['nothing', null],
    ['a version to come', { version: 2 }],
    ['an outcome that is none', { outcome: 'fine' }],
    ['a path of its own', { path: '/etc/passwd' }],
    ['a file outside the copy', { file: '../a.onnx' }],
    ['a file in a folder of the copy', { file: 'a/b.onnx' }],
    ['a digest that is none', { sha256: 'AB'.repeat(32) }],
    ['a number of steps that is none', { steps: -1 }],
    ['an unknown rule', { warnings: [{ ...problem, rule: 'constructor' }] }],
    ['more problems than are listed', { warnings: Array.from({ length: 201 }, () => problem) }],
    ['a name that is too long', { warnings: [{ ...problem, name: 'x'.repeat(1025) }] }],
    ['a code that is none', { outcome: 'failed', code: 'a b', message: '' }],
  ])('with %s is refused', (_, part) => {
    const result = part === null ? null : { ...toResultMessage(job(), edited()), ...part };
    expect(codeOf(() => acceptResult(result, job()))).toBe('QUEUE_RESULT_REFUSED');
  });

  test('of any shape is accepted or refused with a code', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (data) => {
        expect(() => acceptResult(data, job())).toThrow(ModelwardError);
      }),
    );
  });
});
