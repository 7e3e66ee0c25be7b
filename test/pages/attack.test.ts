/** The page of attacks in a real browser: it renders, asks for nothing, fits a telephone, and holds no markup of others. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AttackRecord, type AttackRow, toAttackForm, toAttackHtml } from '../../src/report/index.ts';
import { describeWithProgram } from '../shared-data.ts';
import { type Browser, type BrowserPage, startBrowser } from './chromium.ts';
import { expectFitsTelephone, expectNoTextOutside } from './fits.ts';

const HOSTILE = `"><img src="http://127.0.0.1:9/x" onerror="document.title='owned'"><script>document.title='owned'</script>`;

const head = { group: 'weights', title: HOSTILE, strength: '0.5', unit: 'share', isLossExpected: false };
const toRow = (attack: string, evidenceBits: number, accuracy: number | null): AttackRow => ({
  ...head,
  ...{
    attack,
    state: 'run',
    verdict: evidenceBits >= 128 ? 'claim' : 'none',
    evidenceBits,
    bits: 256,
    bitErrors: 3,
    accuracy,
  },
  ...{ attackSeconds: 1, detectSeconds: 0.5 },
});

const record: AttackRecord = {
  ...{ model: HOSTILE, claim: { commitment: 'ab'.repeat(32), ownerId: HOSTILE }, toolVersion: '0.1.0', seed: HOSTILE },
  evaluation: { samples: 4000, words: HOSTILE, runtime: 'test' },
  training: { samples: 300, learningRate: 0.01 },
  rows: [
    ...[toRow('prune', 575.2, 0.95), toRow('noise', 100, 0.9), toRow('distill', 0, null), toRow('x'.repeat(60), 64, 1)],
    { ...head, attack: 'ftal', state: 'not run', code: 'LAB_NODE_UNREADABLE', reason: HOSTILE },
  ],
  original: { verdict: 'none', evidenceBits: 0, accuracy: 0.96 },
};

test('the form of IEEE 3304 counts misses and false positives, and keeps hostile names in their cells', () => {
  const form = toAttackForm({ ...record, model: 'a | b\n# c' });
  expect(form).toContain('# Robustness of the mark in a \\| b # c\n');
  expect(form).toContain('| misses: modified copies below 64 bits | 1 | 4 |');
  expect(form).toContain('| detect and decode, median | 0.50 |');
  expect(form.split('\n').filter((line) => line.startsWith('# '))).toHaveLength(1);
});

describeWithProgram('page of attacks in Chromium', 'chromium', ['--version'], () => {
  const folder = mkdtempSync(join(tmpdir(), 'attack-page-'));
  let browser: Browser;
  let page: BrowserPage;
  beforeAll(async () => {
    browser = await startBrowser();
    const path = join(folder, 'attack.html');
    writeFileSync(path, toAttackHtml(record));
    page = await browser.newPage();
    await page.open(pathToFileURL(path).href);
  });
  afterAll(async () => {
    await browser.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('renders with its picture, no console message and no request', async () => {
    expect(page.events.filter(({ method }) => method === 'Network.requestWillBeSent')).toHaveLength(1);
    const noise = ['Log.entryAdded', 'Runtime.exceptionThrown'];
    expect(page.events.filter(({ method }) => noise.includes(method))).toEqual([]);
    expect(await page.evaluate("document.querySelector('svg.chart').getAttribute('aria-label')")).toContain(
      'Evidence left',
    );
    expect(await page.evaluate("document.querySelectorAll('svg.chart .bar-back').length")).toBe(4);
    expect(await page.evaluate('document.body.innerText')).toContain('LAB_NODE_UNREADABLE');
  });

  test('names full of markup stay text', async () => {
    expect(await page.evaluate("document.querySelectorAll('img, script, [onerror]').length")).toBe(0);
    expect(await page.evaluate("document.querySelector('h1').textContent")).toBe(HOSTILE);
  });

  test('no text of the picture leaves it, and nothing is wider than a telephone', async () => {
    await expectNoTextOutside(page);
    await expectFitsTelephone(page);
  });
});
