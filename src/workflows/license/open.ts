/** `open --license` and the call that loads a sealed model straight into the runtime, on a device with a licence. */
import type { SealedRunner, SealedSession } from '../../seal/ports.ts';
import type { Judgement } from '../../license/index.ts';
import type { Progress } from '../../core/ports.ts';
import { writeOpened } from '../open-sealed.ts';
import { assertNoInput } from '../write-bytes.ts';
import type { DeviceServices } from './services.ts';
import { type CheckOptions, type Trust, withLicensedKey } from './use.ts';

export interface OpenLicensedOptions extends CheckOptions {
  /** Absolute path of the sealed file. */
  readonly path: string;
  /** Absolute path of the folder to make. */
  readonly out: string;
  readonly force: boolean;
}

export interface OpenLicensedResult {
  readonly sealId: string;
  readonly files: ReturnType<typeof writeOpened>;
  readonly judgement: Judgement;
}

/**
 * Opens a sealed model into plain files.
 * @throws LicenseError with the outcome's code; WorkflowError NOT_SEALED; SealError for a damaged file; SourceError WRITE_EXISTS
 */
export async function openLicensed(
  services: DeviceServices & { readonly progress: Progress },
  trust: Trust,
  options: OpenLicensedOptions,
): Promise<OpenLicensedResult> {
  assertNoInput([options.out], [options.path]);
  return withLicensedKey(services, trust, options, ({ source, header, dek, judgement }) => {
    const files = writeOpened(services, options, source, dek);
    return Promise.resolve({ sealId: header.sealId, files, judgement });
  });
}

export interface LicensedSession extends SealedSession {
  readonly judgement: Judgement;
}

/**
 * Loads a sealed ONNX model for running, in memory alone: no plaintext reaches a file. The caller releases the session.
 * @throws LicenseError with the outcome's code; SealError; RuntimeError RUNTIME_LOAD_FAILED
 * @example
 * const session = await loadLicensed(services, { keys: [parseVendorKey(VENDOR_KEY)], audience: 'acme-vision' }, {
 *   path: '/opt/acme/model.seal', file: readFileSync('/opt/acme/model.license.json'), statusList: null, needs: [],
 * });
 */
export async function loadLicensed(
  services: DeviceServices & { readonly openSealedRunner: () => SealedRunner },
  trust: Trust,
  options: CheckOptions & { readonly path: string },
): Promise<LicensedSession> {
  return withLicensedKey(services, trust, { ...options, action: 'load' }, async ({ dek, judgement }) => {
    const session = await services.openSealedRunner().load({ sealedPath: options.path, dek });
    const { runtime, inputs, outputs } = session;
    return {
      runtime,
      inputs,
      outputs,
      judgement,
      run: (feeds) => session.run(feeds),
      release: () => session.release(),
    };
  });
}
