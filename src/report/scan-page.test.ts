import { expect, test } from 'vitest';
import type { ScanFinding, ScanReport } from '../tamper/index.ts';
import { toScanHtml } from './index.ts';

const finding: ScanFinding = {
  rule: 'G01',
  severity: 'high',
  message: 'Input "<img src=x>" is a trigger.',
  subject: 'node\u202e',
  kind: 'node',
  path: [
    { role: 'input', op: '', name: '<script>', scope: '' },
    { role: 'gap', op: '', name: '7 more', scope: '' },
    { role: 'trigger', op: 'Greater', name: 'is', scope: 'If.then_branch' },
    { role: 'output', op: '', name: 'y', scope: '' },
  ],
  offset: 12,
};
const report: ScanReport = {
  format: 'onnx',
  verdict: 'high',
  findings: [finding],
  dropped: { G01: 3 },
  scanned: [{ part: 'graph', detail: '4 nodes' }],
  notScanned: [{ part: 'weights', detail: 'left out as asked' }],
};
const toPage = (of: ScanReport): string => toScanHtml({ model: 'a&b.onnx', toolVersion: '1.2.3', report: of });

test('names from the file are text: no markup, no control characters get in', () => {
  const page = toPage(report);
  expect(page).toContain('&lt;img src=x&gt;');
  expect(page).not.toMatch(/<script|<img|\u202e/);
  expect(page).toContain("default-src 'none'");
});

test('the path is drawn, a gap too, and findings that are not listed are counted', () => {
  const page = toPage(report);
  expect(page.match(/<rect /g)).toHaveLength(3);
  expect(page).toContain('… 7 more');
  expect(page).toContain('3 more of G01, not listed.');
  expect(page).toContain('from byte 12');
});

test('what was not scanned stands first, and a report without findings speaks for the scanned parts only', () => {
  const page = toPage({ ...report, verdict: 'nothing-found', findings: [], dropped: {} });
  expect(page.indexOf('Not scanned</h2>')).toBeLessThan(page.indexOf('>Findings<'));
  expect(page).toContain('No rule was broken in the parts that were scanned.');
  expect(page).not.toContain('What the rules mean');
});
