import { toSmallPercentText } from '../core/quantities.ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sampleReport } from '../../test/pages/sample-report.ts';
import { toColumns } from '../core/columns.ts';
import { escapeHtml, html } from './html.ts';
import { toSignedText } from './numbers.ts';
import { toReportHtml } from './page.ts';
import { toShellWord } from './section.ts';
import { toReportText } from './text.ts';
import type { ProtectReport } from './types.ts';

const numRuns = process.env.SLOW === '1' ? 2000 : 60;

/** Visible text, tags taken out. */
function toText(page: string): string {
  return page
    .replace(/<style>[\s\S]*?<\/style>/, '')
    .replace(/<[^>]*>/g, '')
    .replaceAll('&#39;', "'");
}

const unlabelled = sampleReport({
  fidelity: {
    kind: 'measured',
    samples: 64,
    accuracyOriginal: null,
    accuracyMarked: null,
    argmaxAgreement: null,
    relativeL2: 0.061,
    runtime: 'onnxruntime-web 1.30.0',
    lossPoints: null,
    perOutput: [
      { name: 'SECRETNAME_boxes', relativeL2: 0.061, argmaxAgreement: null },
      { name: 'SECRETNAME_scores', relativeL2: 0.000051, argmaxAgreement: null },
    ],
  },
});
const unmarked = sampleReport({
  mark: { kind: 'none', reason: 'too small: SECRETNAME has 900 weights, 16384 are needed' },
  evidence: null,
});
const unmeasured = sampleReport({ fidelity: { kind: 'unmeasured', reason: 'operator SECRETNAME is unknown' } });
const incomparable = sampleReport({
  fidelity: {
    kind: 'measured',
    samples: 8,
    accuracyOriginal: null,
    accuracyMarked: null,
    argmaxAgreement: null,
    relativeL2: null,
    runtime: 'onnxruntime-web 1.30.0',
    lossPoints: null,
    perOutput: [{ name: 'SECRETNAME_nan', relativeL2: null, argmaxAgreement: null }],
  },
});
const bare = sampleReport({
  ...unmarked,
  recipient: null,
  commitment: null,
  key: null,
  ledger: null,
  warnings: [],
  timings: [],
  peakRssMib: null,
  files: [],
});
const committed = {
  hash: 'ab'.repeat(32),
  leafIndex: 3,
  checkpoint: 'origin\n4\nroot\n\n— origin sig\n',
  timestamped: true,
};
const tsa = { url: 'https://tsa.example', time: '2026-03-14T09:27:00Z', isTrusted: true };
const timestamped = sampleReport({ commitment: { ...committed, tsa } });
const deep = sampleReport({
  mark: {
    kind: 'embedded',
    scheme: 'bss-v1',
    bits: 1024,
    tau: 0.1,
    weights: 16_000_000,
    relativeDistortion: 0.1,
    calibration: { layers: 17, samples: 512, inputs: 'npz data' },
    perLayer: Array.from({ length: 1203 }, (_, index) => ({
      layer: `SECRETNAME.${index}`,
      weights: 4096,
      relativeDistortion: 0.1,
    })),
  },
});
const variants: Record<string, ProtectReport> = {
  full: sampleReport(),
  unlabelled,
  unmarked,
  unmeasured,
  incomparable,
  bare,
  timestamped,
  deep,
};

describe('report page', () => {
  test.each(
    Object.entries(variants),
  )('%s: both forms are whole documents that name no outside resource', (_, report) => {
    for (const audience of ['owner', 'public'] as const) {
      const page = toReportHtml(report, { audience });
      expect(page).toMatch(/^<!doctype html>\n<html lang="en">/);
      expect(page.endsWith('</html>\n')).toBe(true);
      expect(page).not.toMatch(/\s(src|href|action|data|poster|srcset)=|<script|<link|<iframe|@import|url\(/i);
      expect(toText(page)).not.toMatch(/undefined|NaN|Infinity|\[object/);
      expect(page).not.toMatch(/="[^"]*(undefined|NaN|Infinity)/);
    }
  });

  test.each(
    Object.entries(variants),
  )('%s: the public form has no layers, tensor names, paths, margins, key names or reasons', (_, report) => {
    expect(toReportHtml(report, { audience: 'owner' })).toMatch(
      report.files.length > 0 || report.mark.kind === 'none' ? /SECRETNAME/ : /./,
    );
    const page = toReportHtml(report, { audience: 'public' });
    expect(page).not.toContain('SECRETNAME');
    expect(page).not.toMatch(/tau|τ|for trial|plaintext/i);
    if (report.mark.kind === 'embedded') {
      expect(page).not.toContain(report.mark.weights.toLocaleString('en-US'));
      expect(page).not.toContain('Distortion per layer');
    }
    for (const file of report.files) {
      const isHousekeeping = file.role === 'claim' || file.role === 'envelope';
      expect(page).not.toContain(file.path);
      if (isHousekeeping) expect(page.replaceAll('<wbr>', '')).not.toContain(file.sha256);
    }
  });

  test('digests, evidence, interval, commitment and checkpoint are printed', () => {
    const report = sampleReport();
    const page = toReportHtml(report, { audience: 'owner' });
    const text = toText(page);
    for (const file of report.files) if (file.sha256 !== null) expect(text).toContain(file.sha256);
    expect(text).toContain(report.model.originalDigest);
    expect(text).toContain(report.commitment?.hash);
    expect(text).toContain('256 of 256 bits agree');
    expect(page).toContain('probability of chance 2<sup>−256.0</sup>');
    expect(text).toContain('which cost 1.0 bits');
    expect(text).toContain('between −0.030 and 0.070 points: inside the limit');
    expect(text).toContain(report.commitment?.checkpoint?.trimEnd());
    for (const word of ['Detection, and evidence after a theft.', 'Prevention']) expect(text).toContain(word);
  });

  test('whose copy it is: by name and by what names it for the owner, by number alone for everybody else', () => {
    const owner = toText(toReportHtml(sampleReport(), { audience: 'owner' }));
    expect(owner).toContain('SECRETNAME Ltd (number 7)');
    expect(owner).toContain('the order of 1,234 neurons, a payload in the weights');
    expect(owner).toContain('7c.recipient.9a.annex.json');
    const everybody = toText(toReportHtml(sampleReport(), { audience: 'public' }));
    expect(everybody).toContain('copy number 7 of the model');
    expect(everybody).not.toMatch(/1,234|neurons, a payload|annex\.json/);
    const terminal = toReportText(sampleReport(), { width: undefined, color: false });
    expect(terminal).toContain('SECRETNAME Ltd (number 7): the order of 1,234 neurons');
    for (const audience of ['owner', 'public'] as const) {
      expect(toReportHtml(sampleReport({ recipient: null }), { audience })).not.toMatch(/Whose copy|Recipient codes/);
    }
  });

  test('every plaintext copy is listed, and their absence is said', () => {
    const text = toText(toReportHtml(sampleReport(), { audience: 'owner' }));
    expect(text).toContain('2 plaintext copies left on this machine');
    expect(text).toContain('Marked: /home/SECRETNAME/models/out/traffic.marked.onnx');
    const sealedOnly = sampleReport({ files: sampleReport().files.filter((file) => !file.plaintext) });
    expect(toText(toReportHtml(sealedOnly, { audience: 'owner' }))).toContain('no plaintext copy');
  });

  test('time without a third party is called so, with the checkpoint to publish; with one, its token is named', () => {
    const alone = toText(toReportHtml(sampleReport(), { audience: 'public' }));
    expect(alone).toContain('Time attested only by the owner');
    expect(alone).toContain('Checkpoint to publish');
    const attested = toText(toReportHtml(timestamped, { audience: 'public' }));
    expect(attested).not.toContain('Time attested only by the owner');
    expect(attested).toContain('https://tsa.example, RFC 3161 token of 2026-03-14 09:27:00 UTC');
    const hash = timestamped.commitment?.hash ?? '';
    expect(attested).toContain(`openssl ts -verify -digest ${hash} -token_in -in TIMESTAMP_FILE`);
  });

  test('a token whose authority was not checked is not called an attestation', () => {
    const unchecked = sampleReport({ commitment: { ...committed, tsa: { ...tsa, isTrusted: false } } });
    for (const audience of ['owner', 'public'] as const) {
      const text = toText(toReportHtml(unchecked, { audience }));
      expect(text).toContain('the authority was not checked');
      expect(text).toContain('its certificate was not checked');
      expect(text).not.toContain('by a third party');
    }
  });

  test('a local key is called "same machine: for trial"', () => {
    expect(toText(toReportHtml(sampleReport(), { audience: 'owner' }))).toContain('Local key: same machine: for trial');
  });

  test('an interval that crosses the limit is not called inside it', () => {
    const base = sampleReport();
    if (base.fidelity.kind !== 'measured') throw new TypeError('the sample is measured');
    const measured = base.fidelity;
    const lossPoints = { estimate: 0.05, lower95: -0.3, upper95: 0.4, limit: 0.1, smallestResolvable: 0.35 };
    const wide = sampleReport({ fidelity: { ...base.fidelity, lossPoints } });
    const text = toText(toReportHtml(wide, { audience: 'owner' }));
    expect(text).toContain('neither shows a loss beyond the limit nor rules it out');
    expect(text).toContain('a loss below 0.350 points cannot be shown to exceed the limit');
    const say = (low: number, high: number): string =>
      toReportText(
        sampleReport({
          fidelity: { ...measured, lossPoints: { ...lossPoints, lower95: low, upper95: high } },
        }),
        { width: undefined, color: false },
      );
    expect(say(-0.3, 0.4)).toContain('−0.30 to 0.40, not shown to exceed the limit of 0.1');
    expect(say(-0.3, 0.1)).toContain('within the limit of 0.1');
    expect(say(0.2, 0.4)).toContain('beyond the limit of 0.1');
  });

  test('outputs that moved by more than 5 % are drawn as a warning, and a small change does not read as none', () => {
    const page = toReportHtml(unlabelled, { audience: 'public' });
    expect(page.match(/class="bar-bad"/g)).toHaveLength(1);
    expect(toText(page)).toContain('0.0051 %');
    expect(toText(page)).toContain('accuracy is not known');
  });

  test('a model of a thousand layers is drawn as a profile of bounded size', () => {
    const page = toReportHtml(deep, { audience: 'owner' });
    expect(page).toContain('last of 1,203 layers');
    expect(page).toContain('203 further layers are left out');
    expect(page.match(/<rect class="bar"/g)!.length).toBeLessThan(350);
  });
});

describe('escaping', () => {
  test('any text put into a template comes out as text, in content and in attributes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const { markup } = html`<p title="${text}">${[text, null]}</p>`;
        expect(markup.match(/[<>]/g)).toHaveLength(4);
        expect(markup.match(/"/g)).toHaveLength(2);
        expect(markup).toBe(`<p title="${escapeHtml(text)}">${escapeHtml(text)}</p>`);
      }),
      { numRuns },
    );
  });

  test('hostile names anywhere in the record add no tag to the page', () => {
    const countTags = (report: ProtectReport, audience: 'owner' | 'public'): number =>
      toReportHtml(report, { audience }).match(/</g)!.length;
    const replaceTexts = (value: unknown, text: string): unknown => {
      if (Array.isArray(value)) return value.map((item) => replaceTexts(item, text));
      if (typeof value !== 'object' || value === null) return typeof value === 'string' ? text : value;
      const kept = ['kind', 'role', 'sha256', 'hash', 'originalDigest', 'scheme', 'checkpoint'];
      return Object.fromEntries(
        Object.entries(value).map(([key, item]) => [key, kept.includes(key) ? item : replaceTexts(item, text)]),
      );
    };
    const tame = replaceTexts(sampleReport(), 'x') as ProtectReport;
    const hostile = replaceTexts(sampleReport(), `</style><script>"'&\u202e\u001b[2J`) as ProtectReport;
    for (const audience of ['owner', 'public'] as const) {
      expect(countTags(hostile, audience)).toBe(countTags(tame, audience));

      expect(toReportHtml(hostile, { audience })).not.toMatch(/[\u001b\u202e]/);
    }
  });

  test('file names in commands are quoted for the shell', () => {
    expect(toShellWord('model.onnx')).toBe('model.onnx');
    expect(toShellWord('my model.onnx')).toBe("'my model.onnx'");
    expect(toShellWord("a'; rm -rf ~ #")).toBe("'a'\\''; rm -rf ~ #'");
    expect(toShellWord('-rf')).toBe('./-rf');
    expect(toShellWord('$(id)')).toBe("'$(id)'");
  });
});

describe('numbers', () => {
  test('a rounded zero has no sign, and small percentages keep two digits', () => {
    expect([-0.001, -0.02, 0.02, 0].map((value) => toSignedText(value, 2))).toEqual(['0.00', '−0.02', '0.02', '0.00']);
    expect([0, 0.000051, 0.0482, 0.0099, 1e-12].map(toSmallPercentText)).toEqual([
      '0 %',
      '0.0051 %',
      '4.8 %',
      '0.99 %',
      '1.0e−10 %',
    ]);
  });
});

describe('report text', () => {
  test('it fits the terminal, carries the figures, the files and the warnings, and no colour unless asked', () => {
    const text = toReportText(sampleReport(), { width: 80, color: false });
    for (const line of text.split('\n').filter((one) => !one.startsWith('  — ')))
      expect(toColumns(line)).toBeLessThanOrEqual(80);
    expect(text).toContain('evidence      300.4 bits (a claim needs 128)');
    expect(text).toContain('time          attested only by the owner');
    expect(text).toContain('key           local (same machine: for trial)');
    expect(text).toContain('plaintext)');
    expect(text).toContain('! 2 plaintext copies left on this machine.');
    expect(text).not.toMatch(/section \d/i);
    expect(text).not.toContain('\u001b');
    expect(toReportText(sampleReport(), { width: 80, color: true })).toContain('\u001b[');
  });

  test.each(Object.entries(variants))('%s: every variant has a summary without holes', (_, report) => {
    expect(toReportText(report, { width: undefined, color: false })).not.toMatch(/undefined|NaN|Infinity|null/);
  });
});
