/** SVG drawn by the optional package: pixels, limits, and what is said without it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PNG } from 'pngjs';
import { describe, expect, test } from 'vitest';
import { ModelwardError } from '../../core/errors.ts';
import { importable } from '../../../test/importable.ts';
import { openSvgRenderer } from './index.ts';

const hasResvg = await importable('@resvg/resvg-wasm');
const NS = 'xmlns="http://www.w3.org/2000/svg"';

async function draw(svg: string, sideMax: number, timeoutMs?: number): Promise<PNG> {
  const renderer = await openSvgRenderer(timeoutMs === undefined ? {} : { timeoutMs });
  return PNG.sync.read(Buffer.from(await renderer.render(svg, { sideMax })));
}

const pixel = (png: PNG, x: number, y: number): number[] => [
  ...png.data.subarray(4 * (y * png.width + x), 4 * (y * png.width + x) + 4),
];

async function failureOf(act: Promise<unknown>): Promise<object> {
  return act.then(
    () => ({ code: 'no error' }),
    (error: unknown) =>
      error instanceof ModelwardError ? { code: error.code, ...error.fields } : { code: String(error) },
  );
}

test('without the package it is said how to get it', async () => {
  const failure = await failureOf(openSvgRenderer({ packageName: '@resvg/not-installed' }));
  expect(failure).toMatchObject({ code: 'SVG_RENDERER_MISSING' });
});

describe.runIf(hasResvg)('@resvg/resvg-wasm', () => {
  test('draws shapes with their alpha, the longer side as asked', async () => {
    const wide = `<svg ${NS} viewBox="0 0 40 20"><rect width="20" height="20" fill="#ff0000"/><rect x="20" width="20" height="20" fill="blue" opacity="0.5"/></svg>`;
    const png = await draw(wide, 80);
    expect([png.width, png.height]).toEqual([80, 40]);
    expect(pixel(png, 10, 10)).toEqual([255, 0, 0, 255]);
    expect(pixel(png, 70, 30).slice(0, 3)).toEqual([0, 0, 255]);
    expect(Math.abs(pixel(png, 70, 30)[3] - 128)).toBeLessThan(2);
    const tall = await draw(`<svg ${NS} viewBox="0 0 20 40"><rect width="2" height="2"/></svg>`, 64);
    expect([tall.width, tall.height, pixel(tall, 40, 60)[3]]).toEqual([32, 64, 0]);
  });

  test('what takes too long is ended', async () => {
    // Many nearly endless dashes: not refused by its markup.
    const paths = `<path d="M0 0${'L1000 999L0 1'.repeat(2000)}" stroke="red" stroke-width="9" opacity="0.5"/>`.repeat(
      8,
    );
    const failure = await failureOf(draw(`<svg ${NS} viewBox="0 0 1000 1000">${paths}</svg>`, 1024, 30));
    expect(failure).toEqual({ code: 'WATERMARK_SVG_FAILED', problem: 'it takes too long' });
  });

  test.each([
    ['no size', `<svg ${NS} width="0" height="0"/>`],
    ['a line without a side', `<svg ${NS} viewBox="0 0 100000 0.001"><rect width="9" height="9"/></svg>`],
    ['damaged markup', `<svg ${NS}><rect`],
    ['no SVG', '<html/>'],
  ])('%s is told as a failure', async (_, svg) => {
    expect(await failureOf(draw(svg, 64))).toMatchObject({ code: 'WATERMARK_SVG_FAILED' });
  });

  test('nothing is fetched or read, even of what the screening never lets through', async () => {
    let asked = 0;
    const server = createServer((_, response) => {
      asked++;
      response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const at = `http://127.0.0.1:${port}`;
    const folder = mkdtempSync(join(tmpdir(), 'modelward-svg-'));
    const red = Object.assign(new PNG({ width: 1, height: 1 }), { data: Buffer.from([255, 0, 0, 255]) });
    writeFileSync(join(folder, 'red.png'), PNG.sync.write(red));
    const file = pathToFileURL(join(folder, 'red.png')).href;
    const image = (href: string): string => `<image href="${href}" xlink:href="${href}" width="10" height="10"/>`;
    const svg = `<svg ${NS} xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 10 10"><style>@import "${at}/a.css";</style>
      <rect width="1" height="1" fill="lime"/>${image(`${at}/a.png`)}${image(file)}${image(join(folder, 'red.png'))}</svg>`;
    try {
      const png = await draw(svg, 20);
      expect(asked).toBe(0);
      expect([pixel(png, 0, 0), pixel(png, 15, 15)]).toEqual([
        [0, 255, 0, 255],
        [0, 0, 0, 0],
      ]);
    } finally {
      server.close();
      rmSync(folder, { recursive: true });
    }
  });
});
