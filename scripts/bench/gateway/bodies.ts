/** Bodies from a hundred bytes to ten million, as JSON and by the binary extension of the Open Inference Protocol. */
import { writeFileSync } from 'node:fs';
import type { Ask } from './load.ts';
import type { Place } from './place.ts';
import { JSON_TYPE } from './small.ts';

export interface Body {
  readonly name: string;
  readonly connections: number;
  readonly kind: 'json' | 'binary';
  readonly values: number;
}

/** Names tell bytes, nearly: a value takes some seven of them in JSON, and four in binary. */
export const BODIES: readonly Body[] = [
  { name: 'JSON 100 B', kind: 'json', values: 4, connections: 32 },
  { name: 'JSON 10 KB', kind: 'json', values: 1430, connections: 32 },
  { name: 'JSON 1 MB', kind: 'json', values: 143_000, connections: 8 },
  { name: 'binary 10 KB', kind: 'binary', values: 2500, connections: 32 },
  { name: 'binary 600 KB', kind: 'binary', values: 150_528, connections: 8 },
  { name: 'binary 10 MB', kind: 'binary', values: 2_500_000, connections: 4 },
];

/** Any number of values, so that one model takes all bodies. */
export const ANY_SIGNATURE = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, -1] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 2] }],
};

/** Always the same ones: 0.0001 to 0.9999, in steps that look like chance. */
const toValue = (index: number): number => ((index * 7919) % 9999) / 10_000 + 0.0001;

/** Writes the body into the place. */
export function writeBody(place: Place, { name, kind, values }: Body): Pick<Ask, 'bodyPath' | 'headers'> {
  const bodyPath = place.at(`${name.replaceAll(' ', '-')}.body`);
  const data = Array.from({ length: values }, (_, index) => toValue(index));
  const input = { name: 'x', datatype: 'FP32', shape: [1, values] };
  if (kind === 'json') {
    writeFileSync(
      bodyPath,
      JSON.stringify({ inputs: [{ ...input, data: data.map((value) => Number(value.toFixed(4))) }] }),
    );
    return { bodyPath, headers: JSON_TYPE };
  }
  const bytes = Buffer.from(Float32Array.from(data).buffer);
  const head = Buffer.from(JSON.stringify({ inputs: [{ ...input, parameters: { binary_data_size: bytes.length } }] }));
  writeFileSync(bodyPath, Buffer.concat([head, bytes]));
  const headers = {
    'content-type': 'application/octet-stream',
    'inference-header-content-length': String(head.length),
  };
  return { bodyPath, headers };
}
