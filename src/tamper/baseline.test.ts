import { describe, expect, it } from 'vitest';
import { changeJson } from '../../test/changed-json.ts';
import { codeOf } from '../../test/error-code.ts';
import { baselineOf, openFiles, safetensors, signer, verifyFiles, withFlip } from '../../test/tamper/helpers.ts';
import { big, files, mlp, plain, reorder, square } from '../../test/tamper/subjects.ts';
import { tinyExternal, tinyTensor } from '../../test/tiny-onnx.ts';
import { toHex, utf8 } from '../core/bytes.ts';
import { sha256 } from '../core/hash.ts';
import { TAMPER_LIMITS } from '../core/limits/tamper.ts';
import { createP256Pkcs8, encodeDsse, IN_TOTO_TYPE, p256Signer, signDsse } from '../sign/index.ts';
import { createBaseline, toBaseline } from './baseline.ts';
import { BASELINE_PAYLOAD_TYPE, decodeBaseline, encodeBaseline } from './manifest.ts';

describe('the baseline itself', () => {
  interface Statement {
    readonly subject: { name: string; digest: { sha256: string } }[];
    readonly predicate: Record<string, unknown>;
  }
  const toEnvelope = (bundle: Uint8Array): { payload: string } =>
    (JSON.parse(new TextDecoder().decode(bundle)) as { dsseEnvelope: { payload: string } }).dsseEnvelope;
  const payloadOf = (envelope: Uint8Array) => {
    const statement = JSON.parse(Buffer.from(toEnvelope(envelope).payload, 'base64').toString()) as Statement;
    return statement.predicate;
  };
  const signed = async (payload: Uint8Array, by = signer, payloadType = BASELINE_PAYLOAD_TYPE) =>
    encodeDsse(await signDsse({ payloadType, payload, signer: by }));

  it('is the same for the same model, and carries the plain SHA-256 of the file', async () => {
    const payload = payloadOf(await baselineOf(files));
    expect(payload).toEqual(payloadOf(await baselineOf(files)));
    expect((payload.files as { sha256: string }[])[0].sha256).toBe(Buffer.from(sha256(plain)).toString('hex'));
  });

  it('has the leaves and roots of the vector in docs/spec/baseline.md 7', () => {
    const data = Uint8Array.from({ length: 70_000 }, (_, index) => (7 * index + Math.floor(index / 256)) % 256);
    const file = safetensors([{ name: 'w', dtype: 'F32', shape: [175, 100], data }]);
    const baseline = toBaseline({ model: openFiles({ 'm.safetensors': file }) });
    const [{ sha256: plainSha256, segments }] = baseline.files;
    expect([
      plainSha256,
      ...segments.map(({ leaves }) => toHex(leaves)),
      baseline.tensors[0].root,
      baseline.rawRoot,
    ]).toEqual([
      'e2556f400d8d7e2462fc4f98b78cb4b5a0a6c08946412cf8c671f7d5374faabe',
      '3eeeaa0cb26cb5c00396d0dd91fe22d92a8cb8df5ea065c81649a2a3d54de9b7f9e9d500',
      '4c200c2b0fc99fe28896ff9411be8073b016c724a110dd135b17a3521131e19bdf6fd768' +
        '165861c54a2d66870eccaffa63675fc78f41d31e946c91c50471eac2c9ef27b1ee0faa6c',
      '5aabf26bf88b09c5171a69fe46f1320115997b16a2d73dd6b0ad74e07065156c',
      'e06e67003e85c84a05419fb725340afc47ad0ad5599469203fba79baacdd5350',
    ]);
  });

  it('hands the logical bytes of every tensor on once, in order, however they are stored', () => {
    const tensors = [
      tinyTensor('raw', 'f32', [8, 8], square),
      tinyExternal('external', 'f32', [200, 200], { location: 'w.bin', offset: 0, length: big.length }),
      tinyExternal('tied', 'f32', [100, 200], { location: 'w.bin', offset: 0, length: big.length / 2 }),
      // TensorProto: dims 2, int64, packed int64_data [3, 4], name "t".
      Uint8Array.of(8, 2, 16, 7, 0x3a, 2, 3, 4, 0x42, 1, 0x74),
    ];
    const model = openFiles({ 'm.onnx': mlp({ tensors }), 'w.bin': big });
    const seen = model.tensors.map((): Uint8Array[] => []);
    const onTensorBytes = (tensor: number, bytes: Uint8Array) => void seen[tensor].push(bytes.slice());
    const { originalDigest } = toBaseline({ model, onTensorBytes, originalDigest: () => '5c'.repeat(32) });
    expect(originalDigest).toBe('5c'.repeat(32));
    model.tensors.forEach((tensor, index) => {
      const whole = new Uint8Array(tensor.byteLength);
      tensor.read(0, whole);
      expect(Buffer.compare(Buffer.concat(seen[index]), whole), tensor.name).toBe(0);
    });
  });

  it('carries the format-neutral digest where the writer has one, and gives it for a model with the same tensors', async () => {
    const originalDigest = () => 'ab'.repeat(32);
    const { baseline, envelope } = await createBaseline({ model: openFiles(files), signer, originalDigest });
    expect(decodeBaseline(encodeBaseline(baseline)).originalDigest).toBe('ab'.repeat(32));
    expect(verifyFiles(envelope, reorder([2, 0, 1])).originalDigest).toBe('ab'.repeat(32));
    const flipped = { 'm.safetensors': withFlip(plain, plain.length - 1, 3) };
    expect(verifyFiles(envelope, flipped).originalDigest).toBeNull();
    expect(verifyFiles(await baselineOf(files), files).originalDigest).toBeNull();
  });

  it('takes the plain SHA-256 from a caller who has it', () => {
    const baseline = toBaseline({ model: openFiles(files), fileSha256: ['ab'.repeat(32)] });
    expect(baseline.files[0].sha256).toBe('ab'.repeat(32));
  });

  it('covers every byte of every file once', () => {
    const baseline = decodeBaseline(encodeBaseline(toBaseline({ model: openFiles(files) })));
    for (const { size, segments } of baseline.files) {
      let at = 0;
      for (const { start, end } of segments) {
        expect(start).toBe(at);
        at = end;
      }
      expect(at).toBe(size);
    }
  });

  it('is refused when it, its signature or its signer is another one', async () => {
    const envelope = await baselineOf(files);
    const json = toEnvelope(envelope);
    const payload = Buffer.from(json.payload, 'base64');
    payload[payload.indexOf('a.weight')] ^= 1;
    const altered = changeJson(envelope, 'dsseEnvelope.payload', payload.toString('base64'));
    expect(codeOf(() => verifyFiles(altered, files))).toBe('SIGN_SIGNATURE_INVALID');
    const stranger = p256Signer(createP256Pkcs8());
    const foreign = await signed(new Uint8Array(Buffer.from(json.payload, 'base64')), stranger);
    expect(codeOf(() => verifyFiles(foreign, files))).toBe('SIGN_OTHER_SIGNER');
    const otherType = await signed(new Uint8Array(Buffer.from(json.payload, 'base64')), signer, 'text/plain');
    expect(codeOf(() => verifyFiles(otherType, files))).toBe('SIGN_TYPE_MISMATCH');
    expect(codeOf(() => verifyFiles(utf8('{}'), files))).toBe('SIGN_ENVELOPE_MALFORMED');
  });

  it('is refused when it is signed but does not fit together', async () => {
    const good = payloadOf(await baselineOf(files));
    type Loose = Record<string, unknown> & {
      files: (Record<string, unknown> & { segments: Record<string, unknown>[] })[];
      tensors: Record<string, unknown>[];
    };
    const bad: [string, (json: Loose) => void][] = [
      ['not JSON', () => undefined],
      ['v', (json) => (json.v = 2)],
      ['leafBytes', (json) => (json.leafBytes = 4096)],
      ['extra', (json) => (json.extra = 1)],
      ['rawRoot', (json) => (json.rawRoot = '00'.repeat(32))],
      ['files', (json) => (json.files = [])],
      ['files.0.root', (json) => (json.files[0].root = '00'.repeat(32))],
      ['files.0.size', (json) => (json.files[0].size = 1e15)],
      ['hole', (json) => json.files[0].segments.splice(1, 1)],
      ['overlap', (json) => (json.files[0].segments[1].start = 0)],
      ['short leaves', (json) => (json.files[0].segments[1].leaves = '')],
      ['tensor file', (json) => (json.tensors[0].file = 7)],
      ['tensor end', (json) => (json.tensors[0].end = 1e15)],
      ['tensor shape', (json) => (json.tensors[0].shape = [9e15, 9e15])],
      ['other shape', (json) => (json.tensors[0].shape = [1])],
      ['tensor root', (json) => (json.tensors[0].root = '00'.repeat(32))],
      ['own leaves twice', (json) => (json.tensors[0].leaves = '')],
      ['name twice', (json) => (json.tensors[1].name = json.tensors[0].name)],
    ];
    for (const [title, change] of bad) {
      const json = structuredClone(good) as Loose;
      change(json);
      const payload = title === 'not JSON' ? utf8('{') : utf8(JSON.stringify(json));
      const envelope = await signed(payload);
      expect(
        codeOf(() => verifyFiles(envelope, files)),
        title,
      ).toBe('TAMPER_BASELINE_MALFORMED');
    }
  });

  it('verifies as it was signed before it became a statement, an envelope of its own type', async () => {
    const envelope = await signed(encodeBaseline(toBaseline({ model: openFiles(files) })));
    expect(verifyFiles(envelope, files).verdict).toBe('unchanged');
  });

  it('is a statement about the digest that a model signature of the same files has', async () => {
    const envelope = await baselineOf(files);
    const statement = JSON.parse(Buffer.from(toEnvelope(envelope).payload, 'base64').toString()) as Statement;
    expect(statement.subject).toEqual([
      { name: Object.keys(files)[0], digest: { sha256: toHex(sha256(sha256(plain))) } },
    ]);
    const codeFor = async (path: string, value: unknown): Promise<string> => {
      const payload = changeJson(utf8(JSON.stringify(statement)), path, value);
      const changed = await signed(payload, signer, IN_TOTO_TYPE);
      return codeOf(() => verifyFiles(changed, files));
    };
    expect(await codeFor('subject.0.digest.sha256', '0'.repeat(64))).toBe('TAMPER_BASELINE_MALFORMED');
    expect(await codeFor('predicateType', 'https://model_signing/signature/v1.0')).toBe('TAMPER_BASELINE_MALFORMED');
    expect(await codeFor('predicate.v', 2)).toBe('TAMPER_BASELINE_MALFORMED');
    expect(await codeFor('subject.0.name', 'any')).toBe('no error');
  });

  it('is not made when it would be too large to be read again', () => {
    const baseline = toBaseline({ model: openFiles(files) });
    const name = 'x'.repeat(TAMPER_LIMITS.manifestBytesMax);
    const node = { scope: '', op: '', name, output: '', exact: '', deep: '', local: '' };
    const graph = { digest: '', wiring: '', opaque: 0, nodes: [node] };
    expect(codeOf(() => encodeBaseline({ ...baseline, graph }))).toBe('TAMPER_BASELINE_TOO_LARGE');
  });
});
