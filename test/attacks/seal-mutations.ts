/** Seeded attacks on sealed files: each must be refused, and no plaintext of an altered segment may come out. */
import { concatBytes, u32be } from '../../src/core/bytes.ts';
import { SealError } from '../../src/core/errors.ts';
import type { Random } from '../../src/core/ports.ts';
import { openSealTo, readSealHeader, type SealInfo } from '../../src/seal/index.ts';
import { bufferSink, countingSource, makeTestSeal, seededBytes, seededInt, type TestSeal } from '../fakes/seal-kit.ts';

const SEGMENT = 64 * 1024;
const PER_SEGMENT = SEGMENT - 32;

export interface Mutation {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly dek: Uint8Array;
  readonly original: TestSeal;
  /** Plaintext bytes of the intact segments before the first altered one: the most that may come out. */
  readonly releasableBytes: number;
}

/** The seals that are attacked: a small one, one of four segments, and a stranger of the same shape and key. */
export interface Targets {
  readonly small: TestSeal;
  readonly big: TestSeal;
  readonly bigInfo: SealInfo;
  readonly stranger: TestSeal;
}

export function makeTargets(): Targets {
  const small = makeTestSeal({ seed: 11, length: 200 });
  const big = makeTestSeal({ seed: 12, length: 3 * PER_SEGMENT + 777 });
  const stranger = makeTestSeal({ seed: 13, length: 3 * PER_SEGMENT + 777, dek: big.dek });
  return { small, big, bigInfo: readSealHeader(countingSource('big', big.bytes)), stranger };
}

function mutate(
  name: string,
  original: TestSeal,
  change: { bytes?: Uint8Array; dek?: Uint8Array; releasableBytes?: number },
): Mutation {
  return {
    name,
    original,
    bytes: change.bytes ?? original.bytes,
    dek: change.dek ?? original.dek,
    releasableBytes: change.releasableBytes ?? 0,
  };
}

function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
  const out = bytes.slice();
  out[bit >> 3] ^= 1 << (bit & 7);
  return out;
}

/** Every bit before the first segment: magic, version, length, JSON, FLOE parameters, IV, tag. */
export function* flipHeaderBits({ small }: Targets): Generator<Mutation> {
  const end = readSealHeader(countingSource('small', small.bytes)).segmentsStart;
  for (let bit = 0; bit < end * 8; bit++) {
    yield mutate(`header bit ${bit}`, small, { bytes: flipBit(small.bytes, bit) });
  }
}

/** The small file cut to every length below its own. */
export function* truncateEverywhere({ small }: Targets): Generator<Mutation> {
  for (let length = 0; length < small.bytes.length; length++) {
    yield mutate(`cut to ${length}`, small, { bytes: small.bytes.slice(0, length) });
  }
}

/** Cuts at and around segment borders, as stored and with the header's sizes changed to fit. */
export function* truncateAtBorders({ big, bigInfo }: Targets): Generator<Mutation> {
  for (let segment = 0; segment <= 3; segment++) {
    for (const delta of [-33, -32, -1, 0, 1, 4, 16, 32]) {
      const length = bigInfo.segmentsStart + segment * SEGMENT + delta;
      const bytes = big.bytes.slice(0, length);
      yield mutate(`border ${segment}${delta}`, big, { bytes });
      yield mutate(`border ${segment}${delta}, sizes fitted`, big, { bytes: withFittedSizes(bytes, bigInfo) });
    }
  }
}

/** Rewrites the header so that its sizes agree with a changed number of segment bytes. */
function withFittedSizes(bytes: Uint8Array, info: SealInfo): Uint8Array {
  const segments = bytes.subarray(info.segmentsStart);
  const ptSize = Math.max(0, segments.length - 32 * Math.max(1, Math.ceil(segments.length / SEGMENT)));
  const header = { ...info.header, ptSize, files: [{ name: info.header.files[0].name, size: ptSize }] };
  return withHeaderText(JSON.stringify(sortMembers(header)), info, segments);
}

function sortMembers(value: object): object {
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]: [string, unknown]) => [
        key,
        typeof member === 'object' && member !== null && !Array.isArray(member) ? sortMembers(member) : member,
      ]),
  );
}

function withHeaderText(text: string, info: SealInfo, segments: Uint8Array): Uint8Array {
  const json = new TextEncoder().encode(text);
  return concatBytes(info.preamble.subarray(0, 8), u32be(json.length), json, info.floeHeader, segments);
}

/** Whole segments moved: swapped, doubled, dropped, taken from the stranger, appended. */
export function* moveSegments({ big, bigInfo, stranger }: Targets): Generator<Mutation> {
  const start = bigInfo.segmentsStart;
  const head = big.bytes.subarray(0, start);
  const cut = (bytes: Uint8Array): Uint8Array[] =>
    [0, 1, 2, 3].map((i) => bytes.subarray(start + i * SEGMENT, Math.min(bytes.length, start + (i + 1) * SEGMENT)));
  const segments = cut(big.bytes);
  const strange = cut(stranger.bytes);
  const join = (parts: readonly Uint8Array[]): Uint8Array => concatBytes(head, ...parts);
  const put = (at: number, part: Uint8Array): Uint8Array => join(segments.map((each, i) => (i === at ? part : each)));
  for (let a = 0; a < 4; a++) {
    yield mutate(`drop ${a}`, big, { bytes: join(segments.filter((_, i) => i !== a)) });
    const dropped = withFittedSizes(join(segments.filter((_, i) => i !== a)), bigInfo);
    yield mutate(`drop ${a}, sizes fitted`, big, { bytes: dropped });
    yield mutate(`double ${a}`, big, { bytes: join(segments.flatMap((each, i) => (i === a ? [each, each] : [each]))) });
    yield mutate(`splice ${a}`, big, { bytes: put(a, strange[a]), releasableBytes: a * PER_SEGMENT });
    yield mutate(`append ${a}`, big, { bytes: join([...segments, segments[a]]) });
    for (let b = 0; b < 4; b++) {
      if (b === a) continue;
      const swapped = segments.map((_, i) => segments[i === a ? b : i === b ? a : i]);
      yield mutate(`swap ${a} ${b}`, big, { bytes: join(swapped), releasableBytes: Math.min(a, b) * PER_SEGMENT });
      yield mutate(`copy ${a} over ${b}`, big, { bytes: put(b, segments[a]), releasableBytes: b * PER_SEGMENT });
    }
  }
  yield mutate('all segments of the stranger', big, { bytes: concatBytes(head, ...strange) });
  yield mutate('stranger header over our segments', big, {
    bytes: concatBytes(stranger.bytes.subarray(0, start), ...segments),
  });
  yield mutate('stranger preamble over our FLOE part', big, {
    bytes: concatBytes(stranger.bytes.subarray(0, start - 74), big.bytes.subarray(start - 74)),
  });
}

/** One of: a flipped bit in a segment, a lie about a length or size, a wrong key, bytes appended or changed. */
export function drawMutation({ small, big, bigInfo }: Targets, random: Random): Mutation {
  const pick = (limit: number): number => seededInt(random, limit);
  const segmentBytes = big.bytes.length - bigInfo.segmentsStart;
  const kind = pick(8);
  if (kind <= 2) {
    const bit = pick(segmentBytes * 8);
    const bytes = flipBit(big.bytes, bigInfo.segmentsStart * 8 + bit);
    const releasableBytes = Math.floor((bit >> 3) / SEGMENT) * PER_SEGMENT;
    return mutate(`segment bit ${bit}`, big, { bytes, releasableBytes });
  }
  if (kind === 3) {
    const lie = concatBytes(big.bytes.subarray(0, 8), u32be(pick(2 ** 32)), big.bytes.subarray(12));
    return mutate('header length lie', big, { bytes: lie });
  }
  if (kind === 4) return mutate('wrong key', small, { dek: seededBytes(pick(2 ** 30), 32) });
  if (kind === 5) {
    const dek = flipBit(small.dek, pick(256));
    return mutate('key with one bit flipped', small, { dek });
  }
  if (kind === 6) {
    return mutate('appended', small, { bytes: concatBytes(small.bytes, seededBytes(pick(2 ** 30), 1 + pick(100))) });
  }
  const member = ['ptSize', 'segLen'][pick(2)];
  const header = sortMembers({ ...bigInfo.header, [member]: pick(2 ** 22) });
  const bytes = withHeaderText(JSON.stringify(header), bigInfo, big.bytes.subarray(bigInfo.segmentsStart));
  return mutate(`${member} lie`, big, { bytes });
}

/** What is wrong with the outcome of an attack, or undefined when it was refused as it must be. */
export function findEscape(mutation: Mutation): string | undefined {
  const sink = bufferSink();
  let refusal: unknown;
  try {
    openSealTo({ source: countingSource('m', mutation.bytes), dek: mutation.dek, sinkFor: () => sink });
  } catch (error) {
    refusal = error;
  }
  const released = sink.bytes();
  if (refusal === undefined) return `${mutation.name}: opened`;
  if (!(refusal instanceof SealError)) return `${mutation.name}: not a coded error`;
  if (released.length > mutation.releasableBytes) return `${mutation.name}: released ${released.length} bytes`;
  const expected = mutation.original.plaintext.subarray(0, released.length);
  return Buffer.compare(released, expected) === 0 ? undefined : `${mutation.name}: released altered bytes`;
}
