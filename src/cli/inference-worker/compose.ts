/** Entry of the threads that run plain models for the gateway; the host starts the built file. */
import { serveInference } from '../../adapters/inference-worker/index.ts';
import { findRuntime } from '../../adapters/runtime/index.ts';
import { loadPlain } from '../../workflows/run-model.ts';

serveInference(({ path, dataRoot, threads }) =>
  loadPlain({ openRuntime: () => findRuntime({ threads }) }, { path, dataRoot: dataRoot ?? undefined }),
);
