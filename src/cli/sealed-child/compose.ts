/** Entry of the child process that runs one sealed model; the parent starts the built file. */
import { findRuntime } from '../../adapters/runtime/index.ts';
import { serveSealedModel } from '../../adapters/sealed-runner/index.ts';
import { readPlaintext } from '../../seal/index.ts';
import { openFileSource } from '../../source/index.ts';

serveSealedModel({
  openRuntime: () => findRuntime(),
  openPlaintext: ({ sealedPath, dek }) => readPlaintext({ source: openFileSource(sealedPath), dek }),
});
