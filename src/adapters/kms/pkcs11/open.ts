/** Opens what a `pkcs11:` URI names; the PIN comes from the file of `pin-source`, else from whoever sits there. */
import { allocSecret, zeroize } from '../../../core/bytes.ts';
import { SealError } from '../../../core/errors.ts';
import type { OpenedProvider, OpenProviderOptions } from '../provider.ts';
import { loadBridge, toModulePath } from './bridge.ts';
import { toKeyRef } from './names.ts';
import { ensurePkcs11Key, openPkcs11Key } from './pkcs11.ts';
import { openTokenSigner } from './signer.ts';

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** @throws SealError KEY_PACKAGE_MISSING | KEY_URI_INVALID | KEY_SERVICE_MISSING; with `create` as the provider */
export async function openProvider({ uri, ports, create }: OpenProviderOptions<'pkcs11'>): Promise<OpenedProvider> {
  const options = { uri, clock: ports.clock, readPin: () => readPinOf(uri, ports) };
  toModulePath(uri);
  await loadBridge();
  if (create) await ensurePkcs11Key(options);
  return { provider: openPkcs11Key(options), keyRef: toKeyRef(uri.attributes), standing: null };
}

/**
 * A key that signs, instead of one that wraps.
 * @throws as `openProvider`, and as `openTokenSigner`
 */
export function openSigner({
  uri,
  ports,
}: Pick<OpenProviderOptions<'pkcs11'>, 'uri' | 'ports'>): ReturnType<typeof openTokenSigner> {
  return openTokenSigner({ uri, readPin: () => readPinOf(uri, ports) });
}

type Files = OpenProviderOptions<'pkcs11'>['ports']['files'];

function readPinOf(
  { pinPath }: OpenProviderOptions<'pkcs11'>['uri'],
  ports: OpenProviderOptions<'pkcs11'>['ports'],
): Promise<Uint8Array> {
  return pinPath === null ? ports.askPassphrase({ isNew: false }) : readPinFile(pinPath, ports.files);
}

/** @throws SealError KEY_CREDENTIALS_MISSING | KEY_CREDENTIALS_UNSAFE | KEY_CREDENTIALS_INVALID */
async function readPinFile(path: string, files: Files): Promise<Uint8Array> {
  await Promise.resolve();
  const bytes = files.findSecret(path);
  if (bytes === null) throw new SealError('KEY_CREDENTIALS_MISSING', { fields: { part: 'pin-source' } });
  try {
    let length = bytes.length;
    while (length > 0 && (bytes[length - 1] === LINE_FEED || bytes[length - 1] === CARRIAGE_RETURN)) length--;
    if (length === 0) throw new SealError('KEY_CREDENTIALS_INVALID', { fields: { part: 'pin-source' } });
    const pin = allocSecret(length);
    pin.set(bytes.subarray(0, length));
    return pin;
  } finally {
    zeroize(bytes);
  }
}
