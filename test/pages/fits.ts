/** What every page of ours must hold to: no text leaves its picture, and a telephone shows all of it. */
import { expect } from 'vitest';
import type { BrowserPage } from './chromium.ts';

const TELEPHONE = { width: 360, height: 800, deviceScaleFactor: 1, mobile: true };

const TEXT_OUTSIDE = `[...document.querySelectorAll('svg.chart')].flatMap((chart) => {
  const frame = chart.getBoundingClientRect();
  return [...chart.querySelectorAll('text')]
    .filter((one) => one.getBoundingClientRect().right > frame.right + 1 || one.getBoundingClientRect().left < frame.left - 1)
    .map((one) => one.textContent);
})`;

export async function expectNoTextOutside(page: BrowserPage): Promise<void> {
  expect(await page.evaluate(TEXT_OUTSIDE)).toEqual([]);
}

export async function expectFitsTelephone(page: BrowserPage): Promise<void> {
  await page.send('Emulation.setDeviceMetricsOverride', TELEPHONE);
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(TELEPHONE.width);
}
