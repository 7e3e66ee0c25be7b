/** Rows of the gateway's bench: unlike the others, several rows judge one round of measurements, in which all servers take turns. */
import type { Place } from './place.ts';

export interface GatewayVerdict {
  /** What was reached, in the words of the bar. */
  readonly figure: string;
  readonly met: boolean;
}

export interface GatewayBench {
  readonly place: Place;
  /** Repetitions, and seconds of each. */
  readonly repetitions: number;
  readonly seconds: number;
  /** What was measured under this name in this run, or is now. */
  once<T>(name: string, measure: () => Promise<T>): Promise<T>;
}

export interface GatewayRow {
  readonly id: string;
  readonly title: string;
  readonly bar: string;
  readonly findObstacle: () => string | null;
  readonly run: (bench: GatewayBench) => Promise<GatewayVerdict>;
}
