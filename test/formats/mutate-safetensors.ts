/** Structure-aware mutations of safetensors files and shard indexes. */
import { mutateBytes, type Mutant } from './mutate-onnx.ts';
import type { Rng } from './random.ts';

/** A header as members with raw JSON text, so that keys can occur twice and values can be anything. */
type Members = [key: string, json: string][];

const DATA = Uint8Array.from({ length: 24 }, (_, i) => i);

function toMembers(): Members {
  return [
    ['__metadata__', '{"format":"pt","note":"a\\"b"}'],
    ['a', '{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'],
    ['b', '{"dtype":"F16","shape":[2,3],"data_offsets":[8,20]}'],
    ['c', '{"dtype":"F4","shape":[8],"data_offsets":[20,24]}'],
  ];
}

export function toFile(json: Uint8Array, data: Uint8Array): Uint8Array {
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(json.length));
  return new Uint8Array(Buffer.concat([prefix, json, data]));
}

const ODD_VALUES = [
  '0',
  '-1',
  '1.5',
  '1e3',
  '9007199254740993',
  '18446744073709551616',
  '"x"',
  'null',
  '[]',
  '{}',
  '4',
  '007',
  'true',
];
const ODD_ENTRIES = [
  '{"dtype":"F32","shape":[2],"data_offsets":[8,0]}',
  '{"dtype":"F4","shape":[3],"data_offsets":[0,2]}',
  '{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}',
  '{"dtype":"F99","shape":[2],"data_offsets":[0,8]}',
  '{"dtype":"U8","shape":[0],"data_offsets":[0,0]}',
  '{"dtype":"U8","dtype":"I8","shape":[0],"data_offsets":[0,0]}',
];

type Mutation = (members: Members, rng: Rng) => void;

const MUTATIONS: readonly Mutation[] = [
  (members, rng) => void members.splice(rng.int(members.length), 1),
  (members, rng) => void members.push([...rng.pick(members)]),
  (members, rng) => {
    rng.pick(members)[0] = rng.pick(['a', 'b', '__metadata__', '', '__proto__', '\\u0061', '\\ud800']);
  },
  (members, rng) => {
    const member = rng.pick(members);
    const numbers = [...member[1].matchAll(/\d+/g)];
    if (numbers.length === 0) return;
    const { index, 0: text } = rng.pick(numbers);
    member[1] = member[1].slice(0, index) + rng.pick(ODD_VALUES) + member[1].slice(index + text.length);
  },
  (members, rng) => {
    const member = rng.pick(members);
    member[1] = member[1].replace(/\d+/, (text) => String(Number(text) + rng.pick([1, -1, 4, 8])));
  },
  (members, rng) => {
    rng.pick(members)[1] = rng.pick([...ODD_VALUES, ...ODD_ENTRIES]);
  },
  (members, rng) => {
    const member = rng.pick(members);
    member[1] = member[1].replace(
      /"(?:F32|F16|F4)"/,
      `"${rng.pick(['F64', 'BF16', 'I8', 'F6_E2M3', 'C64', 'X', 'f32'])}"`,
    );
  },
  (members, rng) => {
    const member = rng.pick(members);
    member[1] = member[1].replace(/"(\w+)":/, (_, key: string) => `"${rng.pick(['dtype', 'shape', 'extra', key])}":`);
  },
  (members, rng) => {
    const nested = '['.repeat(rng.int(3000));
    members.push(['deep', nested]);
  },
];

const write = (members: Members): string => `{${members.map(([key, json]) => `"${key}":${json}`).join(',')}}`;

/**
 * One mutant of a small file. Seven of ten keep the framing: the length fits and lies in front of a JSON text.
 * @param crowdedShare how often a header of more tensors than are read comes instead; it is large
 */
export function mutateSafetensors(rng: Rng, crowdedShare = 0): Mutant {
  const members = toMembers();
  if (rng.next() < crowdedShare)
    return { bytes: toFile(Buffer.from(toCrowdedHeader()), new Uint8Array(0)), framed: true };
  if (rng.next() < 0.3) return { bytes: mutateBytes(toFile(Buffer.from(write(members)), DATA), rng), framed: false };
  for (let i = rng.int(3); i >= 0; i--) if (members.length > 0) rng.pick(MUTATIONS)(members, rng);
  const text = write(members) + rng.pick(['', '', '', ' ', '\n\t', 'x', '{}']);
  let json: Uint8Array = Buffer.from(rng.next() < 0.03 ? ` ${text}` : text);
  if (rng.next() < 0.05) json = json.map((byte, i) => (i === 20 ? 0xff : byte));
  const dataLength = rng.next() < 0.15 ? rng.int(30) : DATA.length;
  return { bytes: toFile(json, DATA.slice(0, dataLength)), framed: true };
}

function toCrowdedHeader(): string {
  const entry = '{"dtype":"U8","shape":[0],"data_offsets":[0,0]}';
  return `{${Array.from({ length: 250_001 }, (_, i) => `"${i}":${entry}`).join(',')}}`;
}

/** One mutant of the index of the shards "s1.safetensors" (tensor a) and "s2.safetensors" (tensor b). */
export function mutateIndex(rng: Rng): Mutant {
  const members: Members = [
    ['metadata', '{"total_size":16}'],
    ['weight_map', '{"a":"s1.safetensors","b":"s2.safetensors"}'],
  ];
  for (let i = rng.int(3); i >= 0; i--) {
    if (members.length === 0) break;
    const member = rng.pick(members);
    const change = rng.int(5);
    if (change === 0) members.push([...member]);
    else if (change === 1) member[1] = rng.pick(ODD_VALUES);
    else if (change === 2) member[1] = member[1].replace('s1', rng.pick(['s2', '../s1', '/s1', 's3', '']));
    else if (change === 3) member[1] = member[1].replace('"b"', rng.pick(['"a"', '"c"', '1']));
    else members.splice(members.indexOf(member), 1);
  }
  const text = Buffer.from(write(members));
  if (rng.next() < 0.2) return { bytes: mutateBytes(text, rng), framed: false };
  return { bytes: new Uint8Array(text), framed: true };
}
