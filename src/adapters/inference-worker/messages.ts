/** What thread and host say to each other; both are ours, so nothing is checked. */
import type { LoadedSession, RuntimeTensor } from '../../model/runtime.ts';

/** What the thread is told when it starts. */
export interface LoadRequest {
  /** Absolute path of the model. */
  readonly path: string;
  /** Absolute path of the folder of its data files; null for its own. */
  readonly dataRoot: string | null;
  /** Threads inside one operator. */
  readonly threads: number;
}

export interface RunRequest {
  readonly id: number;
  readonly feeds: ReadonlyMap<string, RuntimeTensor>;
}

export type Reply =
  | ({ readonly kind: 'loaded' } & Pick<LoadedSession, 'inputs' | 'outputs' | 'runtime'>)
  | { readonly kind: 'ran'; readonly id: number; readonly outputs: ReadonlyMap<string, RuntimeTensor> }
  | { readonly kind: 'failed'; readonly id: number; readonly code: string };
