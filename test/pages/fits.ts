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

/** Pairs of texts of one picture whose boxes meet, and texts outside their picture. */
const OVERLAPS = `[...document.querySelectorAll('svg.chart')].flatMap((chart) => {
  const frame = chart.getBoundingClientRect();
  const boxes = [...chart.querySelectorAll('text')].map((one) => ({ text: one.textContent, box: one.getBoundingClientRect() }));
  const meets = (a, b) => a.left < b.right && b.left < a.right && a.top + 2 < b.bottom && b.top + 2 < a.bottom;
  return boxes.flatMap((one, index) => [
    ...boxes.slice(index + 1).filter((other) => meets(one.box, other.box)).map((other) => one.text + ' / ' + other.text),
    ...(one.box.left < frame.left - 1 || one.box.right > frame.right + 1 ? [one.text + ' leaves the picture'] : []),
  ]);
})`;

export function findOverlaps(page: BrowserPage): Promise<unknown> {
  return page.evaluate(OVERLAPS);
}

export async function expectNoTextOutside(page: BrowserPage): Promise<void> {
  expect(await page.evaluate(TEXT_OUTSIDE)).toEqual([]);
}

export async function expectFitsTelephone(page: BrowserPage): Promise<void> {
  await page.send('Emulation.setDeviceMetricsOverride', TELEPHONE);
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(TELEPHONE.width);
}
