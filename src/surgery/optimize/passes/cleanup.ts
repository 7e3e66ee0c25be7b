/** Removal of what no output depends on, as a pass. */
import type { Pass } from '../pass.ts';

export const cleanup: Pass = () =>
  Promise.resolve((tx) => {
    const { nodes, initializers, functions } = tx.cleanup();
    return {
      counts: { removedNodes: nodes, removedInitializers: initializers, removedFunctions: functions },
      notes: [],
    };
  });
