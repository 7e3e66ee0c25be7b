/** Pictures with the longest names and figures in a real browser: nothing leaves them, whatever fonts a reader has. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RunRow } from '../../src/report/attack-record.ts';
import { drawAttacks } from '../../src/report/chart-attacks.ts';
import { drawBits, drawHeatMap } from '../../src/report/chart-change.ts';
import { drawEvidence } from '../../src/report/chart-evidence.ts';
import { drawAccuracies, drawLoss, drawOutputs } from '../../src/report/chart-fidelity.ts';
import { drawLayers } from '../../src/report/chart-layers.ts';
import { drawPath } from '../../src/report/chart-path.ts';
import { drawSides } from '../../src/report/chart-sides.ts';
import { toDocument } from '../../src/report/document.ts';
import { html } from '../../src/report/html.ts';
import { toLabelWidthPx } from '../../src/report/label-width.ts';
import { describeWithProgram } from '../shared-data.ts';
import { type Browser, type BrowserPage, startBrowser } from './chromium.ts';
import { expectFitsTelephone, expectNoTextOutside, findOverlaps } from './fits.ts';

/** Those that are missing on a machine are what its browser has instead. */
const FONTS = ['sans-serif', 'DejaVu Sans', 'DejaVu Sans Condensed', 'Liberation Sans'];
const NAMES = ['W'.repeat(70), 'm%'.repeat(50), 'i'.repeat(300), 'Ж'.repeat(60), '\u0001'.repeat(40), '重'.repeat(60)];
const CHARACTERS = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index));

const DESKTOP = { width: 900, height: 800, deviceScaleFactor: 1, mobile: false };

const SMALL = 9.9e-9;
const moved = {
  weight: SMALL,
  bias: 1.2e-12,
  'norm-scale': 3e30,
  'norm-shift': 0.00019,
  'running-mean': 99.99,
  'running-variance': SMALL,
};
const toAttack = (attack: string): RunRow => ({
  ...{ group: 'weights', title: attack, attack, strength: '0.5', unit: '', isLossExpected: false, state: 'run' },
  ...{
    verdict: 'claim',
    evidenceBits: 12_345,
    bits: 256,
    bitErrors: 0,
    accuracy: 1,
    attackSeconds: 1,
    detectSeconds: 1,
  },
});
const toOutput = (name: string) => ({ name, maxAbsError: null, relativeL2: null, argmaxAgreement: null });
const toNode = (name: string) => ({ op: name, name });
const loss = { estimate: -100, lower95: -100, upper95: 100, limit: 0.05, smallestResolvable: null };

const pictures = [
  drawAttacks(NAMES.map(toAttack)),
  drawHeatMap(NAMES.map((name, layer) => ({ layer, name, moved }))),
  ...(
    [
      ['f64', 64],
      ['f32', 32],
      ['bf16', 16],
      ['i8', 8],
    ] as const
  ).map(([dtype, bits]) => drawBits({ dtype, counts: Array<number>(bits).fill(1_234_567_890) })),
  ...[-99_999, 0, 61, 127, 300, 511, 99_999].map(drawEvidence),
  drawAccuracies(1, 1),
  drawLoss(loss),
  drawLoss({ ...loss, limit: 100 }),
  drawOutputs(NAMES.map(toOutput), NAMES),
  drawLayers(NAMES.map((layer) => ({ layer, weights: 1_234_567_890, relativeDistortion: SMALL }))),
  drawLayers(Array.from({ length: 1000 }, () => ({ layer: 'x', weights: 1, relativeDistortion: SMALL }))),
  drawPath(NAMES.map((name) => ({ role: 'trigger' as const, op: name, name, scope: name }))),
  drawSides(NAMES.map((name) => ({ kind: 'renamed' as const, before: toNode(name), after: toNode(name), nodes: 1 }))),
];
const LONG = 'W'.repeat(200);
const texts = html`<header><div class="facts">${['not comparable', 're-initialised', 'suspicious', 'not committed'].map((figure) => html`<div><p class="figure">${figure}</p></div>`)}</div>
<div class="attention"><h2>${LONG}</h2><ul><li>${LONG}</li></ul></div><dl class="meta"><div><dt>Made</dt><dd>${LONG}</dd></div></dl></header>
<main><p>${LONG}</p><figure><figcaption>${LONG}</figcaption></figure><table class="wide"><tbody><tr><th scope="row">${LONG}</th><td>${LONG}</td></tr></tbody></table>
<table class="wide"><tbody><tr><th scope="row">Commitment</th><td>${LONG}</td></tr></tbody></table></main>`;

/** Words of figures and short titles that were broken to fit their box. */
const BROKEN_WORDS = `[...document.querySelectorAll('.figure, table:last-of-type th')].flatMap((box) =>
  [...box.textContent.matchAll(/[A-Za-z]+/g)].filter((word) => {
    const range = document.createRange();
    range.setStart(box.firstChild, word.index);
    range.setEnd(box.firstChild, word.index + word[0].length);
    return range.getClientRects().length > 1;
  }).map((word) => word[0]))`;

describeWithProgram('fonts of readers in Chromium', 'chromium', ['--version'], () => {
  const folder = mkdtempSync(join(tmpdir(), 'fonts-page-'));
  let browser: Browser;
  let page: BrowserPage;
  beforeAll(async () => {
    browser = await startBrowser();
    const path = join(folder, 'fonts.html');
    writeFileSync(path, toDocument('Fonts', html`${texts}<main>${pictures}</main>`));
    page = await browser.newPage();
    await page.open(pathToFileURL(path).href);
  });
  afterAll(async () => {
    await browser.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test.each(FONTS)('texts stay in their picture and do not meet in %s', async (font) => {
    await page.send('Emulation.setDeviceMetricsOverride', DESKTOP);
    await page.evaluate(`document.body.style.fontFamily = '"${font}", sans-serif'`);
    await expectNoTextOutside(page);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(DESKTOP.width);
    expect(await findOverlaps(page)).toEqual([]);
    expect(await page.evaluate(BROKEN_WORDS)).toEqual([]);
    await expectFitsTelephone(page);
    expect(await page.evaluate(BROKEN_WORDS)).toEqual([]);
  });

  test.each(FONTS)('no character is wider than assumed in %s', async (font) => {
    const widths = (await page.evaluate(`(() => {
      const context = document.createElement('canvas').getContext('2d');
      context.font = '12px "${font}", sans-serif';
      return ${JSON.stringify(CHARACTERS)}.map((character) => context.measureText(character).width);
    })()`)) as number[];
    const wider = CHARACTERS.filter((character, index) => widths[index] > toLabelWidthPx(character) + 0.1);
    expect(wider).toEqual([]);
  });
});
