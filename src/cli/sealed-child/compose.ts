/** Entry of the child process that runs one sealed model; the parent starts the built file. */
import { findRuntime } from '../../adapters/runtime/index.ts';
import { serveSealedModel } from '../../adapters/sealed-runner/index.ts';
import { giveWay } from '../../adapters/system/index.ts';
import { readPlaintext } from '../../seal/index.ts';
import { openFileSource } from '../../source/index.ts';

// Before the runtime starts threads of its own, which are as patient as this one.
giveWay();
serveSealedModel({
  openRuntime: () => findRuntime(),
  openPlaintext: ({ sealedPath, dek }) => readPlaintext({ source: openFileSource(sealedPath), dek }),
});
