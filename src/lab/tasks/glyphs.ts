/** Seeded images of hand-drawn-like glyphs: ten digits, and ten letters as a related task, with noise that keeps models below perfect. */
import type { Images } from '../data.ts';
import { createRng, type Rng } from '../rng.ts';
import { drawStrokes, type Stroke } from './draw.ts';

export type GlyphTask = 'digits' | 'letters';

export interface GlyphOptions {
  readonly task: GlyphTask;
  /** Names the stream: 'train/1', 'test', …; different names give independent samples. */
  readonly stream: string;
  readonly count: number;
}

/** Width and height of an image, in pixels. */
export const GLYPH_SIDE = 12;
export const GLYPH_CLASSES = 10;

/** Standard deviation of the pixel noise, of a contrast of 1. */
const NOISE = 0.08;

/** Corner points on a unit square, x to the right and y down; a glyph is a list of lines through them. */
const POINTS: Readonly<Record<string, readonly [number, number]>> = {
  ...{ a: [0, 0], b: [0.5, 0], c: [1, 0], d: [0, 0.5], e: [0.5, 0.5], f: [1, 0.5], g: [0, 1], h: [0.5, 1], i: [1, 1] },
};

const GLYPHS: Readonly<Record<GlyphTask, readonly string[]>> = {
  digits: [
    ...['ac ci ig ga', 'db bh gi', 'ac cf fd dg gi', 'ac cf ef fi ig', 'ad df ci'],
    ...['ca ad df fi ig', 'ca ag gi if fd', 'ac ch', 'ac ci ig ga df', 'fd da ac ci ig'],
  ],
  letters: [
    ...['gb bi df', 'ca ag gi', 'ag gi ac df', 'ag ci df', 'bh ac gi'],
    ...['ag ce ei', 'ag ae ec ci', 'ga ac cf fd', 'ac bh', 'ai cg'],
  ],
};

/** The lines of one glyph class on the unit square. */
function listStrokes(glyph: string): Stroke[] {
  return glyph.split(' ').map((pair) => {
    const [from, to] = [POINTS[pair[0]], POINTS[pair[1]]];
    return { x0: from[0], y0: from[1], x1: to[0], y1: to[1] };
  });
}

/** Moves glyph points by a random affine map and a jitter of their own, in pixels. */
function distort(strokes: readonly Stroke[], rng: Rng): Stroke[] {
  const angle = rng.between(-0.2, 0.2);
  const [width, height] = [rng.between(4.5, 6.5), rng.between(6.5, 8.5)];
  const shear = rng.between(-0.2, 0.2);
  const middle = (GLYPH_SIDE - 1) / 2;
  const [shiftX, shiftY] = [middle + rng.between(-1, 1), middle + rng.between(-1, 1)];
  const place = (x: number, y: number): [number, number] => {
    const [u, v] = [(x - 0.5) * width + (y - 0.5) * height * shear, (y - 0.5) * height];
    const turned = [u * Math.cos(angle) - v * Math.sin(angle), u * Math.sin(angle) + v * Math.cos(angle)] as const;
    return [turned[0] + shiftX + 0.25 * rng.gaussian(), turned[1] + shiftY + 0.25 * rng.gaussian()];
  };
  return strokes.map(({ x0, y0, x1, y1 }) => {
    const [from, to] = [place(x0, y0), place(x1, y1)];
    return { x0: from[0], y0: from[1], x1: to[0], y1: to[1] };
  });
}

/** One short line that belongs to no glyph. */
function drawDistractor(rng: Rng): Stroke {
  const [x0, y0] = [rng.between(0, GLYPH_SIDE - 1), rng.between(0, GLYPH_SIDE - 1)];
  return { x0, y0, x1: x0 + rng.between(-3, 3), y1: y0 + rng.between(-3, 3) };
}

/**
 * `count` independent samples: a glyph of a uniform class under a random shift, scale, turn, shear and jitter, with a
 * stray line, a random contrast and Gaussian pixel noise. Equal options give equal bytes.
 */
export function generateGlyphs({ task, stream, count }: GlyphOptions): Images {
  const rng = createRng(`glyphs/v1/${task}/${stream}`);
  const size = GLYPH_SIDE * GLYPH_SIDE;
  const shapes = GLYPHS[task].map(listStrokes);
  const pixels = new Uint8Array(count * size);
  const labels = new Uint8Array(count);
  const canvas = new Float64Array(size);
  for (let item = 0; item < count; item += 1) {
    const label = rng.below(GLYPH_CLASSES);
    labels[item] = label;
    const strokes = distort(shapes[label], rng);
    drawStrokes([...strokes, drawDistractor(rng)], { side: GLYPH_SIDE, radius: rng.between(0.45, 0.85) }, canvas);
    const contrast = rng.between(0.55, 1);
    for (let at = 0; at < size; at += 1) {
      const level = 0.1 + contrast * canvas[at] * 0.8 + NOISE * rng.gaussian();
      pixels[item * size + at] = Math.round(255 * Math.min(1, Math.max(0, level)));
    }
  }
  return { count, side: GLYPH_SIDE, classes: GLYPH_CLASSES, pixels, labels };
}
