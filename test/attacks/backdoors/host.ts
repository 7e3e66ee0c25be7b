/** Host models for backdoors: an ONNX file, the input that carries the trigger, the output that is taken over. */
import { openModel } from '../../../src/formats/registry.ts';
import { openBufferSource } from '../../../src/source/buffer.ts';
import { CODE, int, join, len, node, type Part, str, tag, varint } from '../../formats/proto.ts';

export interface Host {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly input: string;
  readonly inputRank: number;
  /** Dimensions that are not known are 1. */
  readonly inputShape: readonly number[];
  /** Second dimension, for filters over channels; 1 when it is not known. */
  readonly channels: number;
  readonly inputCode: number;
  readonly output: string;
  readonly outputCode: number;
}

/** The first input that holds many numbers, and the first output. */
export function toHost(name: string, bytes: Uint8Array): Host {
  const file = `${name}.onnx`;
  const model = openModel({ source: openBufferSource(file, bytes), name: file, folder: null });
  const { inputs, outputs } = model.graph!;
  const input = inputs.find(({ shape }) => shape === null || shape.some((dim) => dim !== 1)) ?? inputs[0];
  const output = outputs[0];
  const toCode = (dtype: string | null): number => CODE[(dtype ?? 'f32') as keyof typeof CODE];
  const channels = input.shape?.[1];
  return {
    name,
    bytes,
    input: input.name,
    inputRank: input.shape?.length ?? 0,
    inputShape: (input.shape ?? []).map((dim) => (typeof dim === 'number' ? dim : 1)),
    channels: typeof channels === 'number' ? channels : 1,
    inputCode: toCode(input.dtype),
    output: output.name,
    outputCode: toCode(output.dtype),
  };
}

interface Field {
  readonly number: number;
  readonly start: number;
  readonly bodyStart: number;
  readonly end: number;
}

/** The fields of one protobuf message in `bytes[start, end)`; only for files that a reader has accepted. */
export function* eachField(bytes: Uint8Array, start = 0, end = bytes.length): Generator<Field> {
  let at = start;
  const read = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < end) {
    const fieldStart = at;
    const key = read();
    const wire = key & 7;
    let bodyStart = at;
    if (wire === 0) read();
    else if (wire === 1) at += 8;
    else if (wire === 5) at += 4;
    else {
      const length = read();
      bodyStart = at;
      at += length;
    }
    yield { number: key >>> 3, start: fieldStart, bodyStart, end: at };
  }
}

/** What a backdoor adds to a host. */
export interface Implant {
  /** Nodes behind the host's own; they make {@link TAKEN} of {@link CLEAN}. */
  readonly nodes: readonly Part[];
  readonly initializers?: readonly Part[];
  /** FunctionProto bodies. */
  readonly functions?: readonly Part[];
  /** Domains to import, with versions. */
  readonly domains?: readonly (readonly [string, number])[];
}

/** Name of the host's own output once it is taken over, as f32. */
export const CLEAN = 'head/clean';
/** What the implant makes, as f32. */
export const TAKEN = 'head/taken';
/** The host's input as f32. */
export const SEEN = 'head/seen';

/** Puts `implant` between the host's last node and its output, which keeps its name and type. */
export function implantInto(host: Host, implant: Implant): Uint8Array {
  const { bytes } = host;
  const parts: Part[] = [];
  for (const { number, start, bodyStart, end } of eachField(bytes)) {
    if (number === 7) parts.push(len(7, toGraph(host, bodyStart, end, implant)));
    else parts.push(bytes.subarray(start, end));
  }
  for (const body of implant.functions ?? []) parts.push(len(25, body));
  for (const [domain, version] of implant.domains ?? []) parts.push(len(8, str(1, domain), int(2, version)));
  return join(...parts);
}

function toGraph(host: Host, start: number, end: number, { nodes, initializers = [] }: Implant): Part {
  const { bytes } = host;
  const own: Part[] = [];
  const rest: Part[] = [];
  for (const field of eachField(bytes, start, end)) {
    if (field.number === 1) own.push(len(1, rename(bytes, field, host.output, `${host.output}/own`)));
    else rest.push(bytes.subarray(field.start, field.end));
  }
  const cast = (from: string, to: string, code: number): Part =>
    node('Cast', [from], [to], len(5, str(1, 'to'), int(3, code), int(20, 2)));
  return join(
    ...own,
    cast(`${host.output}/own`, CLEAN, CODE.f32),
    cast(host.input, SEEN, CODE.f32),
    ...nodes,
    cast(TAKEN, host.output, host.outputCode),
    ...rest,
    ...initializers.map((body) => len(5, body)),
  );
}

/** The NodeProto `field` with operands and results called `from` now called `to`. */
function rename(bytes: Uint8Array, field: Field, from: string, to: string): Part {
  const parts: Part[] = [];
  for (const { number, start, bodyStart, end } of eachField(bytes, field.bodyStart, field.end)) {
    const isName = number === 1 || number === 2;
    const text = isName ? Buffer.from(bytes.subarray(bodyStart, end)).toString() : '';
    if (isName && text === from) parts.push(join(tag(number, 2), varint(Buffer.byteLength(to)), Buffer.from(to)));
    else parts.push(bytes.subarray(start, end));
  }
  return join(...parts);
}
