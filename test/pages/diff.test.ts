/** The comparison page in a real browser: it renders, asks for nothing, can be read, and holds no markup of others. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { toDiffHtml, toDiffSarif, type DiffPage } from '../../src/report/index.ts';
import { diffModels } from '../../src/tamper/index.ts';
import { describeWithProgram } from '../shared-data.ts';
import { edited, open } from '../surgery/graphs.ts';
import { type Browser, type BrowserPage, startBrowser } from './chromium.ts';
import { expectFitsTelephone, expectNoTextOutside } from './fits.ts';

const HOSTILE = `"><img src="http://127.0.0.1:9/x" onerror="document.title='owned'"><script>document.title='owned'</script>`;

/** The CNN sample with a hostile node, an edited row and a flipped bit. */
function samplePage(): DiffPage {
  const bytes = new Uint8Array(readFileSync(join(import.meta.dirname, '../../samples/cnn.onnx')));
  const after = edited(bytes, (tx) => {
    const [conv] = tx.find({ op: 'Conv' });
    tx.insertAfter(conv.outputs[0], { op: 'Tanh', name: HOSTILE });
    tx.renameNode(tx.find({ op: 'Relu' })[0], `relu ${HOSTILE}`);
    tx.editTensor('fc.bias', 0, { dtype: 'f32', shape: [1], values: [5] });
    tx.editTensor('conv3.weight', 100, { dtype: 'f32', shape: [1], values: [-3e30] });
  });
  const diff = diffModels({ before: open(bytes), after });
  const outputs = [
    { name: HOSTILE, kind: 'classes' as const, maxChange: 1.5, meanChange: 0.2, relativeL2: 0.1, agreement: 0.9 },
  ];
  const flows = [{ from: 1, to: 2, samples: 30, share: 0.3, pull: 0.5 }];
  const behaviour = {
    kind: 'measured' as const,
    runtime: 'test',
    inputs: 'probes',
    samples: 32,
    outputs,
    flows,
    triggers: null,
    hints: [],
  };
  const names = { before: HOSTILE, after: HOSTILE };
  return { names, toolVersion: '0.1.0', diff, behaviour, grade: diff.verdict.grade, open: [HOSTILE] };
}

test('the same findings as SARIF: one result per sign, tensor and node, the open parts as notifications', () => {
  const page = samplePage();
  const log = JSON.parse(toDiffSarif(page)) as {
    version: string;
    runs: { results: { ruleId: string; level: string }[]; invocations: { toolExecutionNotifications: unknown[] }[] }[];
  };
  const [run] = log.runs;
  expect(log.version).toBe('2.1.0');
  expect(run.invocations[0].toolExecutionNotifications).toHaveLength(1);
  const changes = page.diff.graph!.changes.filter(({ kind }) => kind !== 'renamed').length;
  expect(run.results).toHaveLength(page.diff.hints.length + page.diff.tensors.length + changes);
  expect(run.results.find(({ ruleId }) => ruleId === 'diff-graph/inserted')?.level).toBe('warning');
});

describeWithProgram('comparison page in Chromium', 'chromium', ['--version'], () => {
  const folder = mkdtempSync(join(tmpdir(), 'diff-page-'));
  let browser: Browser;
  let page: BrowserPage;
  const path = join(folder, 'diff.html');
  beforeAll(async () => {
    browser = await startBrowser();
    writeFileSync(path, toDiffHtml(samplePage()));
    page = await browser.newPage();
    await page.open(pathToFileURL(path).href);
  });
  afterAll(async () => {
    await browser.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('renders with its pictures, no console message and no request', async () => {
    const requests = page.events.filter(({ method }) => method === 'Network.requestWillBeSent');
    expect(requests).toHaveLength(1);
    expect(
      page.events.filter(({ method }) => method === 'Log.entryAdded' || method === 'Runtime.exceptionThrown'),
    ).toEqual([]);
    const labels = (await page.evaluate(
      "[...document.querySelectorAll('svg.chart')].map((one) => one.getAttribute('aria-label'))",
    )) as string[];
    expect(labels.map((label) => label.split(' ').slice(0, 3).join(' '))).toEqual([
      'Relative change by',
      expect.stringContaining('differing bits'),
      'The graph before',
    ]);
    expect(await page.evaluate('document.body.innerText')).toContain('suspicious');
  });

  test('names full of markup stay text', async () => {
    expect(await page.evaluate("document.querySelectorAll('img, script, [onerror]').length")).toBe(0);
    expect(await page.evaluate("document.querySelector('h1').textContent")).toBe(HOSTILE);
  });

  test('no text of a picture leaves it, and nothing is wider than a telephone', async () => {
    await expectNoTextOutside(page);
    await expectFitsTelephone(page);
  });
});
