/** A filled report record for tests of pages; every owner-only text carries the word SECRETNAME. */
import type { ProtectReport, ReportLayer } from '../../src/report/index.ts';

const HEX = '0123456789abcdef';

/** 64 hex digits that differ per `seed`. */
function sampleDigest(seed: number): string {
  return Array.from({ length: 64 }, (_, index) => HEX[(seed * 7 + index * (seed + 3) + (index >> 2)) % 16]).join('');
}

function sampleLayer(index: number): ReportLayer {
  const weights = [432, 2304, 4608, 9216, 18432, 36864][index % 6];
  return {
    layer: `/SECRETNAME/stage${Math.floor(index / 3) + 1}/block${(index % 3) + 1}/conv/weight`,
    weights,
    relativeDistortion: 0.035 + 0.02 * Math.sin(index * 1.7) ** 2,
  };
}

const sampleCheckpoint = [
  'modelward.example/ledger/3f1c',
  '42',
  'jx2o0kQF1nlXc0Yc9D0D2T7g6zq0n1A0z8mCQx7f0cE=',
  '',
  '— modelward.example/ledger/3f1c Zr3kYx8w0yLSkW9c0y2Fq1nB7Tz5JmQpX4uVhR6sGdEaKiOoNvPlMtUbCfHjIwDQeYr=',
  '',
].join('\n');

/** The record of a marked, sealed and recorded model, measured on labelled data. */
export function sampleReport(changes: Partial<ProtectReport> = {}): ProtectReport {
  const folder = '/home/SECRETNAME/models/out';
  return {
    v: 1,
    toolVersion: '0.1.0',
    owner: 'Example Robotics GmbH',
    createdAt: '2026-03-14T09:26:53.000Z',
    model: {
      name: 'traffic-signs-resnet20.onnx',
      format: 'onnx',
      parameters: 272_474,
      tensors: 86,
      opsets: { '': 17 },
      originalDigest: sampleDigest(9),
    },
    files: [
      {
        role: 'original',
        path: '/home/SECRETNAME/models/traffic.onnx',
        sha256: sampleDigest(1),
        sizeBytes: 1_103_412,
        plaintext: true,
      },
      {
        role: 'marked',
        path: `${folder}/traffic.marked.onnx`,
        sha256: sampleDigest(2),
        sizeBytes: 1_103_412,
        plaintext: true,
      },
      {
        role: 'sealed',
        path: `${folder}/traffic.marked.onnx.seal`,
        sha256: sampleDigest(3),
        sizeBytes: 1_103_710,
        plaintext: false,
      },
      {
        role: 'envelope',
        path: '/home/SECRETNAME/.local/state/modelward/envelopes/7c.json',
        sha256: sampleDigest(4),
        sizeBytes: 1_204,
        plaintext: false,
      },
      {
        role: 'baseline',
        path: `${folder}/traffic.baseline.json`,
        sha256: sampleDigest(5),
        sizeBytes: 18_220,
        plaintext: false,
      },
      {
        role: 'signature',
        path: `${folder}/traffic.baseline.sig`,
        sha256: sampleDigest(8),
        sizeBytes: 1_512,
        plaintext: false,
      },
      {
        role: 'commitment',
        path: `${folder}/traffic.commitment.json`,
        sha256: sampleDigest(6),
        sizeBytes: 912,
        plaintext: false,
      },
      {
        role: 'claim',
        path: '/home/SECRETNAME/.local/state/modelward/claims/7c.json',
        sha256: sampleDigest(7),
        sizeBytes: 3_488,
        plaintext: false,
      },
      { role: 'report', path: `${folder}/report.html`, sha256: null, sizeBytes: null, plaintext: false },
    ],
    mark: {
      kind: 'embedded',
      scheme: 'bss-v1',
      bits: 256,
      tau: 0.05,
      weights: 268_336,
      relativeDistortion: 0.0482,
      calibration: { layers: 17, samples: 512, inputs: 'npz data' },
      perLayer: Array.from({ length: 19 }, (_, index) => sampleLayer(index)),
    },
    evidence: { bits: 256, bitErrors: 0, log2pHard: -256, log2pSoft: -301.4, trials: 2, evidenceBits: 300.4 },
    recipient: {
      ...{ number: 7, id: 'SECRETNAME Ltd', channels: 1_234, hasPayload: true, leafIndex: 40 },
      annex: '/home/SECRETNAME/.local/state/modelward/annexes/7c.recipient.9a.annex.json',
    },
    fidelity: {
      kind: 'measured',
      samples: 40_000,
      accuracyOriginal: 0.9437,
      accuracyMarked: 0.9435,
      argmaxAgreement: 0.9961,
      relativeL2: 0.0123,
      runtime: 'onnxruntime-node 1.30.0',
      lossPoints: { estimate: 0.02, lower95: -0.03, upper95: 0.07, limit: 0.1, smallestResolvable: 0.05 },
      perOutput: [{ name: 'SECRETNAME_logits', relativeL2: 0.0123, argmaxAgreement: 0.9961 }],
    },
    commitment: {
      hash: sampleDigest(8),
      leafIndex: 41,
      checkpoint: sampleCheckpoint,
      timestamped: false,
      tsa: null,
    },
    key: { scheme: 'local', note: 'same machine: for trial' },
    ledger: {
      origin: 'modelward.example/ledger/3f1c',
      size: 42,
      verifierKey: 'modelward.example/ledger/3f1c+66bde4c9+Af3aEaPh7vN3HbQdS4vH0fM2oM1tR6h2v9bq0bqv8g1B',
    },
    warnings: [
      { text: 'There is no passphrase backup of the owner identity SECRETNAME yet.', isPublic: false },
      { text: 'The clock of this machine was not checked against another one.', isPublic: true },
    ],
    timings: [
      { step: 'read and digest', seconds: 0.31 },
      { step: 'embed the mark', seconds: 0.42 },
      { step: 'measure fidelity', seconds: 18.6 },
      { step: 'sign the baseline', seconds: 0.05 },
      { step: 'seal', seconds: 0.08 },
      { step: 'record', seconds: 0.03 },
    ],
    peakRssMib: 212,
    ...changes,
  };
}
