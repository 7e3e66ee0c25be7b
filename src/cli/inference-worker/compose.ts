/** Entry of the threads that run plain models for the gateway; the host starts the built file. */
import { serveInference } from '../../adapters/inference-worker/index.ts';
import { findRuntime } from '../../adapters/runtime/index.ts';
import { giveWay } from '../../adapters/system/index.ts';
import { loadPlain } from '../../workflows/run-model.ts';

// Before the runtime starts threads of its own, which are as patient as this one.
giveWay();
serveInference(({ path, dataRoot, threads }) =>
  loadPlain({ openRuntime: () => findRuntime({ threads }) }, { path, dataRoot: dataRoot ?? undefined }),
);
