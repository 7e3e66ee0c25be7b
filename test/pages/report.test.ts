/** The report in a real browser: it renders, asks for nothing, prints, can be read by everybody, and holds no markup of others. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ProtectReport, type ReportAudience, toReportHtml } from '../../src/report/index.ts';
import { describeWithProgram } from '../shared-data.ts';
import { type Browser, type BrowserPage, startBrowser } from './chromium.ts';
import { findOverlaps } from './fits.ts';
import { sampleReport } from './sample-report.ts';

/** Lowest contrast (WCAG 2.2, 1.4.3) of any visible text with the colour behind it, and that text. */
const LOWEST_CONTRAST = `(() => {
  const parse = (color) => (color.match(/[0-9.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  let lowest = { ratio: 99, text: '' };
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].filter((node) => node.nodeType === 3 && node.textContent.trim() !== '');
    if (own.length === 0 || element.getClientRects().length === 0) continue;
    const style = getComputedStyle(element);
    const ink = light(parse(element.closest('svg') ? style.fill : style.color));
    const paper = light(behind(element));
    const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    if (ratio < lowest.ratio) lowest = { ratio, text: own[0].textContent.trim() };
  }
  return lowest;
})()`;

describeWithProgram('report page in Chromium', 'chromium', ['--version'], () => {
  const folder = mkdtempSync(join(tmpdir(), 'report-page-'));
  let browser: Browser;
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(async () => {
    await browser.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function openReport(
    report: ProtectReport,
    audience: ReportAudience,
  ): Promise<{ page: BrowserPage; url: string }> {
    const path = join(folder, `${audience}.html`);
    writeFileSync(path, toReportHtml(report, { audience }));
    const page = await browser.newPage();
    const url = pathToFileURL(path).href;
    await page.open(url);
    return { page, url };
  }

  function assertQuiet(page: BrowserPage, url: string): void {
    const methods = page.events.map((event) => event.method);
    expect(methods).toContain('Page.loadEventFired');
    expect(methods).not.toContain('Runtime.exceptionThrown');
    expect(methods).not.toContain('Runtime.consoleAPICalled');
    expect(page.events.filter((event) => event.method === 'Log.entryAdded')).toEqual([]);
    const requests = page.events
      .filter((event) => event.method === 'Network.requestWillBeSent')
      .map((event) => (event.params.request as { url: string }).url);
    expect(requests).toEqual([url]);
  }

  test.each([
    'owner',
    'public',
  ] as const)('the %s form renders with no console message and no request', async (audience) => {
    const { page, url } = await openReport(sampleReport(), audience);
    assertQuiet(page, url);
    const text = String(await page.evaluate('document.body.innerText'));
    expect(text).toContain('256 of 256 bits agree');
    expect(text).toContain('Checkpoint to publish');
    expect(text).toContain(audience === 'owner' ? 'SECRETNAME Ltd (number 7)' : 'copy number 7 of the model');
    if (audience === 'public') expect(text).not.toContain('SECRETNAME');
    expect(await page.evaluate("document.querySelectorAll('svg.chart').length")).toBe(audience === 'owner' ? 4 : 3);
    const sizes = await page.evaluate(
      "[...document.querySelectorAll('svg.chart')].map((one) => one.getBoundingClientRect().height)",
    );
    for (const height of sizes as number[]) expect(height).toBeGreaterThan(40);
  });

  test('names full of markup stay text, and ask for nothing', async () => {
    const hostile = `"><img src="http://127.0.0.1:9/x" onerror="document.title='owned'"><script>document.title='owned'</script></style><svg onload=alert(1)>`;
    const base = sampleReport();
    const report = sampleReport({
      owner: hostile,
      model: { ...base.model, name: hostile, format: hostile, opsets: { [hostile]: 1 } },
      files: base.files.map((file) => ({ ...file, path: `/tmp/${hostile}` })),
      warnings: [{ text: hostile, isPublic: true }],
      timings: [{ step: hostile, seconds: 1 }],
      ledger: { origin: hostile, size: 1, verifierKey: hostile },
    });
    const { page, url } = await openReport(report, 'owner');
    assertQuiet(page, url);
    expect(await page.evaluate("document.querySelectorAll('img, script, [onload], [onerror]').length")).toBe(0);
    expect(await page.evaluate('document.title')).toContain('<script>');
    expect(await page.evaluate("document.querySelector('h1').textContent")).toBe(hostile);
  });

  test('it can be read by everybody: language, heading order, named charts, contrast in light and dark', async () => {
    const { page } = await openReport(sampleReport(), 'owner');
    expect(await page.evaluate('document.documentElement.lang')).toBe('en');
    const levels = (await page.evaluate(
      "[...document.querySelectorAll('h1,h2,h3')].map((one) => Number(one.tagName[1]))",
    )) as number[];
    expect(levels.filter((level) => level === 1)).toHaveLength(1);
    levels.forEach((level, index) => {
      expect(level - (levels[index - 1] ?? 0)).toBeLessThanOrEqual(1);
    });
    expect(
      await page.evaluate(
        `[...document.querySelectorAll('svg')].every((one) => one.getAttribute('role') === 'img' && one.getAttribute('aria-label').length > 20)`,
      ),
    ).toBe(true);
    for (const scheme of ['light', 'dark']) {
      await page.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] });
      const lowest = (await page.evaluate(LOWEST_CONTRAST)) as { ratio: number; text: string };
      expect(lowest.ratio, `${scheme}: "${lowest.text}"`).toBeGreaterThanOrEqual(4.5);
    }
    const dark = await page.evaluate('getComputedStyle(document.body).backgroundColor');
    expect(dark).toBe('rgb(19, 23, 28)');
  });

  test('nothing is wider than a telephone or the page', async () => {
    const { page } = await openReport(sampleReport(), 'owner');
    for (const width of [360, 900]) {
      await page.send('Emulation.setDeviceMetricsOverride', {
        width,
        height: 800,
        deviceScaleFactor: 1,
        mobile: width < 500,
      });
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
    }
  });

  test('labels of a picture do not lie on each other, whatever the numbers', async () => {
    const base = sampleReport();
    if (base.fidelity.kind !== 'measured' || base.evidence === null) throw new TypeError('the sample is measured');
    const overlaps: unknown[] = [];
    for (const [estimate, half, limit, evidenceBits] of [
      [0.02, 0.05, 0.1, 300],
      [0.47, 0.41, 0.1, 252],
      [5, 4, 0.1, 61],
      [-3, 20, 0.05, 0],
      [0, 0, 1, 12_345],
    ] as const) {
      const lossPoints = {
        estimate,
        lower95: estimate - half,
        upper95: estimate + half,
        limit,
        smallestResolvable: half,
      };
      const report = sampleReport({
        fidelity: { ...base.fidelity, lossPoints },
        evidence: { ...base.evidence, evidenceBits },
      });
      const { page } = await openReport(report, 'owner');
      overlaps.push(await findOverlaps(page));
    }
    expect(overlaps).toEqual([[], [], [], [], []]);
  });

  test('it prints to a PDF of several A4 pages, light even when the screen is dark', async () => {
    const { page } = await openReport(sampleReport(), 'owner');
    const { data } = await page.send('Page.printToPDF', { preferCSSPageSize: true, printBackground: true });
    const pdf = Buffer.from(String(data), 'base64').toString('latin1');
    expect(pdf.startsWith('%PDF-')).toBe(true);
    // 210 mm x 297 mm in points.
    const sizes = [...pdf.matchAll(/\/MediaBox \[0 0 ([0-9.]+) ([0-9.]+)\]/g)].map((match) => [
      Number(match[1]),
      Number(match[2]),
    ]);
    expect(sizes.length).toBeGreaterThanOrEqual(3);
    for (const [width = 0, height = 0] of sizes) {
      expect(Math.abs(width - 595)).toBeLessThan(2);
      expect(Math.abs(height - 842)).toBeLessThan(2);
    }
    await page.send('Emulation.setEmulatedMedia', {
      media: 'print',
      features: [{ name: 'prefers-color-scheme', value: 'dark' }],
    });
    expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).toBe('rgb(255, 255, 255)');
  });
});
