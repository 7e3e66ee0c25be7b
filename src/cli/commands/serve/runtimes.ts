/** What runs the models, as it is told when the gateway begins. */
import type { LoadedSession } from '../../../model/runtime.ts';

export interface RuntimesSeen {
  readonly note: (runtime: LoadedSession['runtime']) => void;
  readonly list: () => readonly string[];
}

export function createRuntimesSeen(): RuntimesSeen {
  const seen = new Set<string>();
  return {
    note: ({ id, version }) => {
      seen.add(`${id} ${version}`);
    },
    list: () => [...seen].sort(),
  };
}

/** @param names such as `onnxruntime-node 1.30.0` */
export function toRuntimeNote(names: readonly string[]): string {
  const text = `models run on ${names.join(' and ')}`;
  if (!names.some((name) => name.startsWith('onnxruntime-web'))) return text;
  return `${text}: WebAssembly, one thread for each instance; install onnxruntime-node for the native one`;
}
