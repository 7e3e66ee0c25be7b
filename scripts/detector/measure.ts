/** How well a detector finds the digits of scenes: what a user does with its answers, and a count against the truth. */
import { findRuntime } from '../../src/adapters/runtime/index.ts';
import { type Scene, SCENE_HEIGHT, SCENE_WIDTH, type Truth } from './scenes.ts';

export interface Detection {
  readonly score: number;
  /** Left, top, right and bottom, as parts of the picture. */
  readonly box: readonly [number, number, number, number];
}

/** Answers with a digit, from this score on. */
const SCORE_MIN = 0.5;
/** Of two boxes that share so much of their area, the better one stays. */
const OVERLAP_MAX = 0.3;
/** So much must be shared with the truth to count as found. */
const FOUND_MIN = 0.5;

/** The digits that the answers for one picture come to: scores [N, 2] and boxes [N, 4], best first. */
export function toDetections(scores: Float32Array, boxes: Float32Array): Detection[] {
  const all = Array.from({ length: scores.length / 2 }, (_, at): Detection => {
    const [left, top, right, bottom] = boxes.subarray(4 * at, 4 * at + 4);
    return { score: scores[2 * at + 1], box: [left, top, right, bottom] };
  });
  const kept: Detection[] = [];
  for (const one of all.filter(({ score }) => score >= SCORE_MIN).sort((a, b) => b.score - a.score)) {
    if (kept.every((other) => toOverlap(other.box, one.box) <= OVERLAP_MAX)) kept.push(one);
  }
  return kept;
}

/** Shared area over joint area. */
function toOverlap(a: Detection['box'], b: Detection['box']): number {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  const shared = Math.max(0, width) * Math.max(0, height);
  const area = ([left, top, right, bottom]: Detection['box']): number => (right - left) * (bottom - top);
  return shared / (area(a) + area(b) - shared);
}

export interface DetectorQuality {
  /** Part of the digits that were found. */
  readonly recall: number;
  /** Part of the detections that are digits. */
  readonly precision: number;
}

/** Runs a detector on scenes. */
export async function measureDetector(bytes: Uint8Array, scenes: readonly Scene[]): Promise<DetectorQuality> {
  const session = await (await findRuntime()).load({ main: bytes, external: [] });
  let [digits, found, detections] = [0, 0, 0];
  for (const scene of scenes) {
    const shape = [1, 1, SCENE_HEIGHT, SCENE_WIDTH];
    const data = new Uint8Array(scene.pixels.slice().buffer);
    const answers = await session.run(new Map([['input', { dtype: 'f32', shape, data }]]));
    const [scores, boxes] = ['scores', 'boxes'].map((name) => new Float32Array(answers.get(name)!.data.slice().buffer));
    const seen = toDetections(scores, boxes);
    digits += scene.digits.length;
    detections += seen.length;
    found += scene.digits.filter((digit) => seen.some(({ box }) => toOverlap(toBox(digit), box) >= FOUND_MIN)).length;
  }
  await session.release();
  return { recall: found / digits, precision: found / detections };
}

function toBox({ x, y, side }: Truth): Detection['box'] {
  return [x / SCENE_WIDTH, y / SCENE_HEIGHT, (x + side) / SCENE_WIDTH, (y + side) / SCENE_HEIGHT];
}
