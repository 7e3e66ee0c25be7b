/** Makes inner values of an ONNX graph visible as outputs, for a run in memory. */

const GRAPH_FIELD = (7 << 3) | 2;
const OUTPUT_FIELD = (12 << 3) | 2;
const NAME_FIELD = (1 << 3) | 2;

/**
 * The model with `names` as further outputs, of types that the runtime infers. Nothing is decoded: a second graph message
 * is appended, and readers merge repeated occurrences of a singular message field by field.
 *
 * For runtimes only: the result is not meant to be stored.
 * @param main bytes of an .onnx file
 * @param names values that the graph computes, none of which is an output already
 * @see https://protobuf.dev/programming-guides/encoding/#last-one-wins
 */
export function exposeValues(main: Uint8Array, names: readonly string[]): Uint8Array {
  const outputs = names.map((name) => toField(OUTPUT_FIELD, toField(NAME_FIELD, Buffer.from(name))));
  const tail = toField(GRAPH_FIELD, Buffer.concat(outputs));
  const whole = new Uint8Array(main.length + tail.length);
  whole.set(main);
  whole.set(tail, main.length);
  return whole;
}

function toField(tag: number, content: Uint8Array): Uint8Array {
  const head = [tag];
  let length = content.length;
  for (; length > 127; length = Math.floor(length / 128)) head.push((length & 127) | 128);
  head.push(length);
  return Buffer.concat([Buffer.from(head), content]);
}
