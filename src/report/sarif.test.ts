import { expect, test } from 'vitest';
import { type SarifRun, toSarif } from './index.ts';

const run: SarifRun = {
  toolVersion: '1.2.3',
  rules: [
    { id: 'G01', name: 'select-on-trigger', summary: 'A select.', help: 'Look at it.' },
    { id: 'W02', name: 'outlier-values', summary: 'An outlier.', help: null },
  ],
  findings: [
    {
      ruleId: 'W02',
      level: 'warning',
      message: 'Tensor "w\u202e" is odd.',
      file: 'my models/a#1.onnx',
      bytes: { offset: 12, length: 4 },
      place: { name: 'block/w', kind: 'tensor', note: null },
      flow: [],
    },
    {
      ruleId: 'G01',
      level: 'error',
      message: 'A trigger.',
      file: 'my models/a#1.onnx',
      bytes: null,
      place: null,
      flow: [
        { name: 'x', kind: 'input', note: 'input' },
        { name: 'Where', kind: 'node', note: 'merge' },
      ],
    },
  ],
  notAnalysed: ['code: TorchScript'],
  properties: { verdict: 'high' },
};

interface Log {
  readonly version: string;
  readonly runs: readonly {
    readonly tool: { readonly driver: { readonly rules: readonly { readonly id: string; readonly name: string }[] } };
    readonly invocations: readonly { readonly toolExecutionNotifications: readonly unknown[] }[];
    readonly artifacts: readonly unknown[];
    readonly results: readonly Record<string, unknown>[];
    readonly properties: unknown;
  }[];
}

const toLog = (of: SarifRun): Log => JSON.parse(toSarif(of)) as Log;

test('rules, results and their places', () => {
  const [log] = toLog(run).runs;
  expect(toLog(run).version).toBe('2.1.0');
  expect(log.tool.driver.rules.map(({ id, name }) => [id, name])).toEqual([
    ['G01', 'SelectOnTrigger'],
    ['W02', 'OutlierValues'],
  ]);
  expect(log.artifacts).toEqual([{ location: { uri: 'my%20models/a%231.onnx' } }]);
  expect(log.results[0]).toMatchObject({
    ruleId: 'W02',
    ruleIndex: 1,
    level: 'warning',
    message: { text: 'Tensor "w\\u{202e}" is odd.' },
    locations: [
      {
        physicalLocation: { artifactLocation: { index: 0 }, region: { byteOffset: 12, byteLength: 4 } },
        logicalLocations: [{ name: 'w', fullyQualifiedName: 'block/w', kind: 'tensor' }],
      },
    ],
  });
  expect(log.properties).toEqual({ verdict: 'high' });
});

test('a path becomes a code flow, in order', () => {
  const [, { codeFlows }] = toLog(run).runs[0].results;
  expect(codeFlows).toMatchObject([
    {
      threadFlows: [
        {
          locations: [
            { location: { logicalLocations: [{ name: 'x' }], message: { text: 'input' } } },
            { location: { logicalLocations: [{ name: 'Where' }], message: { text: 'merge' } } },
          ],
        },
      ],
    },
  ]);
});

test('what was not analysed is a warning of the invocation', () => {
  const [{ toolExecutionNotifications }] = toLog(run).runs[0].invocations;
  expect(toolExecutionNotifications).toEqual([
    { level: 'warning', message: { text: 'Not analysed: code: TorchScript' } },
  ]);
});

test('a finding keeps its fingerprint when bytes move, and has another in another place', () => {
  const [first] = run.findings;
  const toPrint = (finding: typeof first): unknown =>
    toLog({ ...run, findings: [finding] }).runs[0].results[0].partialFingerprints;
  expect(toPrint({ ...first, bytes: { offset: 99, length: 4 } })).toEqual(toPrint(first));
  expect(toPrint({ ...first, place: { name: 'other', kind: 'tensor', note: null } })).not.toEqual(toPrint(first));
});
