/** How much an output changed, on what it has before and after: rows and columns that a mark added are left out. */
import type { RuntimeTensor } from '../../model/runtime.ts';
import { toRecordedNumbers } from '../../watermark/index.ts';

export interface OutputChange {
  readonly name: string;
  /** Of the first run; null for an output that was not there. */
  readonly shapeBefore: readonly number[] | null;
  readonly shapeAfter: readonly number[];
  /** Part of the common values that are not the same to the bit. */
  readonly changed: number;
  readonly maxChange: number;
  /** ‖after - before‖ / ‖before‖. */
  readonly relativeL2: number;
  /** Part of rows (along the last axis) whose largest value is at the same place; null for one value a row. */
  readonly argmaxAgreement: number | null;
}

/** Counts one run; outputs that only the marked model has are listed with nothing to compare. */
export function compareOutputs(
  tallies: Map<string, OutputTally>,
  before: ReadonlyMap<string, RuntimeTensor>,
  after: ReadonlyMap<string, RuntimeTensor>,
): void {
  for (const [name, value] of after) {
    const old = before.get(name) ?? null;
    let tally = tallies.get(name);
    if (tally === undefined) tallies.set(name, (tally = new OutputTally(name, old?.shape ?? null, value.shape)));
    if (old !== null) tally.add(old, value);
  }
}

export class OutputTally {
  readonly #name: string;
  readonly #shapes: readonly [before: readonly number[] | null, after: readonly number[]];
  #values = 0;
  #changed = 0;
  #maxChange = 0;
  #squares = 0;
  #squaresBefore = 0;
  #rows = 0;
  #agreeing = 0;

  constructor(name: string, before: readonly number[] | null, after: readonly number[]) {
    this.#name = name;
    this.#shapes = [before, after];
  }

  add(before: RuntimeTensor, after: RuntimeTensor): void {
    const [old, now] = [toRecordedNumbers(before), toRecordedNumbers(after)];
    const width = before.shape.at(-1) ?? 1;
    const places = toPlaces(before.shape, after.shape);
    for (let row = 0; row < old.length; row += width) {
      let [bestOld, bestNow] = [row, row];
      for (let at = row; at < row + width; at++) {
        this.#addValue(old[at], now[places(at)]);
        if (old[at] > old[bestOld]) bestOld = at;
        if (now[places(at)] > now[places(bestNow)]) bestNow = at;
      }
      this.#rows++;
      if (bestOld === bestNow) this.#agreeing++;
    }
  }

  #addValue(before: number, after: number): void {
    const change = Math.abs(after - before);
    this.#values++;
    if (!Object.is(before, after)) this.#changed++;
    if (!Number.isFinite(change)) return;
    this.#maxChange = Math.max(this.#maxChange, change);
    this.#squares += change * change;
    this.#squaresBefore += before * before;
  }

  toChange(): OutputChange {
    const [shapeBefore, shapeAfter] = this.#shapes;
    const hasClasses = shapeBefore !== null && (shapeBefore.at(-1) ?? 1) > 1;
    return {
      name: this.#name,
      shapeBefore,
      shapeAfter,
      changed: this.#values === 0 ? 0 : this.#changed / this.#values,
      maxChange: this.#maxChange,
      relativeL2: this.#squares === 0 ? 0 : Math.sqrt(this.#squares / this.#squaresBefore),
      argmaxAgreement: hasClasses && this.#rows > 0 ? this.#agreeing / this.#rows : null,
    };
  }
}

/** Where a value of the smaller array stands in the larger one. */
function toPlaces(from: readonly number[], to: readonly number[]): (at: number) => number {
  if (from.length !== to.length || from.every((dim, axis) => dim === to[axis])) return (at) => at;
  return (at) => {
    let [rest, place, stride] = [at, 0, 1];
    for (let axis = from.length - 1; axis >= 0; axis--) {
      place += (rest % from[axis]) * stride;
      rest = Math.floor(rest / from[axis]);
      stride *= to[axis];
    }
    return place;
  };
}
