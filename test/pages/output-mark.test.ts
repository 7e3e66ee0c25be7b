/** The page of an output mark in a real browser: pictures are shown, nothing is asked for, hostile names stay text. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PNG } from 'pngjs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type OutputMarkPage, toOutputMarkHtml } from '../../src/report/index.ts';
import { describeWithProgram } from '../shared-data.ts';
import { type Browser, type BrowserPage, startBrowser } from './chromium.ts';
import { expectFitsTelephone } from './fits.ts';

const hostile = `"><img src="http://127.0.0.1:9/x"><script>document.title='owned'</script></style>`;

function samplePage(changes: Partial<OutputMarkPage> = {}): OutputMarkPage {
  const png = PNG.sync.write(Object.assign(new PNG({ width: 8, height: 6 }), { data: Buffer.alloc(8 * 6 * 4, 200) }));
  const picture = {
    width: 8,
    height: 6,
    png: png.toString('base64'),
    boxes: [{ x: 0.1, y: 0.1, width: 0.4, height: 0.5 }],
  };
  return {
    model: 'detector.onnx',
    toolVersion: '0.1.0',
    kind: 'boxes',
    id: '7123689e',
    says: '(c) Acme, licence 7',
    bytesBefore: 1_220_755,
    bytesAfter: 1_221_555,
    effect: {
      runtime: 'onnxruntime-node 1.30.0',
      inputs: 'seeded probes',
      samples: 32,
      outputs: [
        {
          name: 'boxes',
          shapeBefore: [1, 4420, 4],
          shapeAfter: [1, 4434, 4],
          changed: 0,
          maxChange: 0,
          relativeL2: 0,
          argmaxAgreement: 1,
        },
        {
          name: 'signature',
          shapeBefore: null,
          shapeAfter: [27],
          changed: 0,
          maxChange: 0,
          relativeL2: 0,
          argmaxAgreement: null,
        },
      ],
      accuracy: { accuracyOriginal: 0.98, accuracyMarked: 0.979, lossPoints: { estimate: 0.1, low: -0.1, high: 0.3 } },
      latency: { ratio: 1.012, ratioLow: 0.991, ratioHigh: 1.034, pairs: 15, beforeMs: 9.1, afterMs: 9.2 },
    },
    unmeasured: null,
    pictures: {
      before: { ...picture, marks: [] },
      after: { ...picture, marks: [{ x: 0.2, y: 0.3, width: 0.1, height: 0.1 }] },
    },
    statement: 'An output mark is a label.',
    ...changes,
  };
}

test('of pictures it says how many values changed, of other outputs how many answers stay', () => {
  expect(toOutputMarkHtml(samplePage({ kind: 'image' }))).toContain('of the values of a picture');
  expect(toOutputMarkHtml(samplePage({ kind: 'scores' }))).not.toContain('of the values of a picture');
});

describeWithProgram('page of an output mark in Chromium', 'chromium', ['--version'], () => {
  const folder = mkdtempSync(join(tmpdir(), 'mark-page-'));
  let browser: Browser;
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(async () => {
    await browser.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function open(record: OutputMarkPage): Promise<BrowserPage> {
    const path = join(folder, 'page.html');
    writeFileSync(path, toOutputMarkHtml(record));
    const page = await browser.newPage();
    const url = pathToFileURL(path).href;
    await page.open(url);
    expect(page.events.filter(({ method }) => method === 'Log.entryAdded')).toEqual([]);
    const requests = page.events
      .filter(({ method }) => method === 'Network.requestWillBeSent')
      .map(({ params }) => (params.request as { url: string }).url);
    // Pictures are part of the page.
    expect(requests.filter((request) => request !== url && !request.startsWith('data:image/png'))).toEqual([]);
    return page;
  }

  test('shows both pictures with detections and boxes of the mark, and what changed', async () => {
    const page = await open(samplePage());
    const text = String(await page.evaluate('document.body.innerText'));
    for (const words of [
      '(c) Acme, licence 7',
      '[1, 4420, 4] → [1, 4434, 4]',
      '× 1.012',
      'between × 0.991 and × 1.034',
      '−0.10 pt',
      'Accuracy 98',
    ]) {
      expect(text.replaceAll('\u2212', '−')).toContain(words);
    }
    const counts = await page.evaluate(
      "['svg.picture image', '.picture .found', '.picture .mark'].map((one) => document.querySelectorAll(one).length)",
    );
    expect(counts).toEqual([2, 2, 1]);
    const sizes = (await page.evaluate(
      "[...document.querySelectorAll('svg.picture image')].map((one) => one.getBoundingClientRect().height)",
    )) as number[];
    for (const height of sizes) expect(height).toBeGreaterThan(100);
    const named = await page.evaluate(
      "[...document.querySelectorAll('svg')].every((one) => one.getAttribute('role') === 'img' && one.getAttribute('aria-label').length > 20)",
    );
    expect(named).toBe(true);
  });

  test('names full of markup stay text; without a measurement it says why', async () => {
    const page = await open(
      samplePage({ model: hostile, says: hostile, effect: null, unmeasured: hostile, pictures: null }),
    );
    expect(await page.evaluate("document.querySelectorAll('img, script').length")).toBe(0);
    expect(await page.evaluate("document.querySelector('h1').textContent")).toBe(hostile);
    expect(String(await page.evaluate('document.body.innerText'))).toContain('Not measured');
  });

  test('nothing is wider than a telephone', async () => {
    const page = await open(samplePage());
    await expectFitsTelephone(page);
  });
});
