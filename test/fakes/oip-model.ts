/** A model of the Open Inference Protocol, and requests to it as JSON and with binary data. */
import type { Call, GatewayAnswer, ModelSignature, OutputPolicy } from '../../src/gateway/ports.ts';
import { createOip } from '../../src/gateway/protocols/oip/oip.ts';
import type { RequestBytes } from '../../src/gateway/protocols/ports.ts';

export const oip = createOip();

export const CAPS = { batchMax: 8, answerBytesMax: 1 << 20 };

export const OPEN: OutputPolicy = { topK: null, decimals: null, isLabelOnly: false, hidden: [] };

export const MODEL = { name: 'mymodel', version: '1' };

export const INFER: Call = { protocol: 'oip', kind: 'infer', model: 'mymodel', version: null, route: '' };

/** The model of the examples of the specification; the input of truth values has the three of its shape. */
export const SIGNATURE: ModelSignature = {
  inputs: [
    { name: 'input0', dtype: 'u32', shape: [2, 2] },
    { name: 'input1', dtype: 'bool', shape: [3] },
  ],
  outputs: [{ name: 'output0', dtype: 'f32', shape: [3, 2] }],
};

export const json = (value: unknown): RequestBytes => ({
  headers: { 'content-type': 'application/json' },
  body: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
});

export function binary(value: unknown, ...parts: readonly Uint8Array[]): RequestBytes {
  const head = Buffer.from(JSON.stringify(value));
  return {
    headers: { 'content-type': 'application/octet-stream', 'inference-header-content-length': String(head.length) },
    body: Buffer.concat([head, ...parts]),
  };
}

export const textOf = (answer: GatewayAnswer): string => Buffer.from(answer.body as Uint8Array).toString();

export const INPUT0 = { name: 'input0', shape: [2, 2], datatype: 'UINT32', data: [1, 2, 3, 4] };

export const INPUT1 = { name: 'input1', shape: [3], datatype: 'BOOL', data: [true, false, true] };
