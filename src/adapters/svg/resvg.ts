/**
 * The SvgRenderer port on @resvg/resvg-wasm, an optional peer: WebAssembly without file or network access, in a worker thread
 * that is ended when it takes too long.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { WatermarkError } from '../../core/errors.ts';
import { WATERMARK_LIMITS } from '../../core/limits/watermark.ts';
import type { SvgRenderer } from '../../watermark/ports.ts';

/** A variable, so that the compiler does not look for the types of a package that may be absent. */
const PACKAGE = '@resvg/resvg-wasm' as string;

/** Text, so that it runs alike from sources and from the build. No fonts are loaded; pictures are never resolved. */
const WORKER = `
const { parentPort, workerData } = require('node:worker_threads');
const { entry, wasm, svg, sideMax } = workerData;
const draw = async () => {
  const { initWasm, Resvg } = await import(entry);
  await initWasm(wasm);
  const font = { fontBuffers: [], loadSystemFonts: false };
  const { width, height } = new Resvg(svg, { font });
  const mode = width >= height ? 'width' : 'height';
  return new Resvg(svg, { font, fitTo: { mode, value: sideMax } }).render().asPng();
};
draw().then((png) => parentPort.postMessage({ png }), () => parentPort.postMessage({ png: null }));
`;

export interface SvgRendererOptions {
  /** Name of the package, for tests of what is said without it. */
  readonly packageName?: string;
  readonly timeoutMs?: number;
}

/** @throws WatermarkError SVG_RENDERER_MISSING when the package is not installed */
export async function openSvgRenderer(options: SvgRendererOptions = {}): Promise<SvgRenderer> {
  const { packageName = PACKAGE, timeoutMs = WATERMARK_LIMITS.svgMsMax } = options;
  const { entry, wasm } = await Promise.resolve().then(() => findPackage(packageName));
  return {
    render: (svg, { sideMax }) => drawInWorker({ entry, wasm, svg, sideMax }, timeoutMs),
  };
}

function findPackage(name: string): { readonly entry: string; readonly wasm: Uint8Array } {
  try {
    const wasm = readFileSync(fileURLToPath(import.meta.resolve(`${name}/index_bg.wasm`)));
    return { entry: import.meta.resolve(name), wasm };
  } catch (cause) {
    throw new WatermarkError('SVG_RENDERER_MISSING', { cause });
  }
}

interface Job {
  readonly entry: string;
  readonly wasm: Uint8Array;
  readonly svg: string;
  readonly sideMax: number;
}

async function drawInWorker(job: Job, timeoutMs: number): Promise<Uint8Array> {
  const worker = new Worker(WORKER, { eval: true, workerData: job, env: {}, stdout: true, stderr: true });
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise<Uint8Array>((resolve, reject) => {
      const fail = (problem: string): void => {
        reject(new WatermarkError('WATERMARK_SVG_FAILED', { fields: { problem } }));
      };
      timer = setTimeout(() => {
        fail('it takes too long');
      }, timeoutMs);
      worker.once('message', ({ png }: { readonly png: Uint8Array | null }) => {
        if (png === null) fail('it is damaged, or has nothing to draw');
        else resolve(png);
      });
      worker.once('error', () => {
        fail('it needs too much memory');
      });
    });
  } finally {
    clearTimeout(timer);
    await worker.terminate();
  }
}
