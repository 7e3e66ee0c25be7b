/** Seeded scenes for the sample detector: grey pictures with digits of several sizes, and scraps that are none. */
import { createRng, generateGlyphs, GLYPH_SIDE, type Rng } from '../../src/lab/index.ts';

export const SCENE_HEIGHT = 64;
export const SCENE_WIDTH = 96;

/** Where a digit is, in pixels. */
export interface Truth {
  readonly x: number;
  readonly y: number;
  readonly side: number;
}

export interface Scene {
  /** Float32 in [0, 1], [64, 96]. */
  readonly pixels: Float32Array;
  readonly digits: readonly Truth[];
}

/** What the glyphs have between their strokes. */
const GROUND = 0.1;
const NOISE = 0.05;
const DIGITS_MAX = 4;
const SCRAPS = 4;
/** Sides of digits, in pixels; a scrap is a corner of one. */
const SIDES = [13, 20] as const;
const SCRAP_PART = 0.4;
const TRIES = 40;

/** Scenes of a stream that its name fixes: equal names give equal pictures. */
export function drawScenes(stream: string, count: number): Scene[] {
  const rng = createRng(`detector/scenes/${stream}`);
  const perScene = DIGITS_MAX + SCRAPS;
  const glyphs = generateGlyphs({ task: 'digits', stream: `detector/${stream}`, count: count * perScene });
  return Array.from({ length: count }, (_, scene) => {
    const tile = (index: number): Uint8Array => {
      const size = GLYPH_SIDE * GLYPH_SIDE;
      const at = (scene * perScene + index) * size;
      return glyphs.pixels.subarray(at, at + size);
    };
    return drawScene(rng, tile);
  });
}

function drawScene(rng: Rng, tile: (index: number) => Uint8Array): Scene {
  const pixels = new Float32Array(SCENE_HEIGHT * SCENE_WIDTH).fill(GROUND);
  const taken: Truth[] = [];
  const count = 1 + rng.below(DIGITS_MAX);
  for (let at = 0; at < count + SCRAPS; at++) {
    const isDigit = at < count;
    const side = rng.between(...SIDES);
    const place = findPlace(rng, side, taken);
    if (place === undefined) continue;
    taken.push(place);
    paste(pixels, tile(at), place, isDigit ? 1 : SCRAP_PART);
    if (!isDigit) taken[taken.length - 1] = { ...place, side: Number.NaN };
  }
  for (const [at, value] of pixels.entries()) {
    pixels[at] = Math.min(1, Math.max(0, value + NOISE * rng.gaussian()));
  }
  return { pixels, digits: taken.filter(({ side }) => !Number.isNaN(side)) };
}

/** A place apart from those that are taken. */
function findPlace(rng: Rng, side: number, taken: readonly Truth[]): Truth | undefined {
  for (let tries = 0; tries < TRIES; tries++) {
    const [x, y] = [rng.between(0, SCENE_WIDTH - side), rng.between(0, SCENE_HEIGHT - side)];
    const apart = taken.every((other) => {
      const gap = (Number.isNaN(other.side) ? SIDES[0] : Math.max(side, other.side)) * 0.9;
      return Math.abs(other.x - x) > gap || Math.abs(other.y - y) > gap;
    });
    if (apart) return { x, y, side };
  }
  return undefined;
}

/** Draws the upper left `part` of a glyph, scaled to its place; ink goes over ground. */
function paste(pixels: Float32Array, glyph: Uint8Array, { x, y, side }: Truth, part: number): void {
  const scale = GLYPH_SIDE / side;
  const end = side * part;
  for (let row = Math.ceil(y); row < y + end; row++) {
    for (let column = Math.ceil(x); column < x + end; column++) {
      const level = sample(glyph, (row - y) * scale - 0.5, (column - x) * scale - 0.5);
      const at = row * SCENE_WIDTH + column;
      pixels[at] = Math.max(pixels[at], level);
    }
  }
}

/** Bilinear, edges repeated. */
function sample(glyph: Uint8Array, row: number, column: number): number {
  const pixel = (r: number, c: number): number => {
    const [inside, along] = [r, c].map((value) => Math.min(GLYPH_SIDE - 1, Math.max(0, value)));
    return glyph[inside * GLYPH_SIDE + along] / 255;
  };
  const [top, left] = [Math.floor(row), Math.floor(column)];
  const [down, right] = [row - top, column - left];
  const upper = (1 - right) * pixel(top, left) + right * pixel(top, left + 1);
  const lower = (1 - right) * pixel(top + 1, left) + right * pixel(top + 1, left + 1);
  return (1 - down) * upper + down * lower;
}
