/**
 * Names the recipient of sample copies, as they are and attacked, among many; prints, as JSON and by network and attack, who
 * was named, with how many bits and in how many seconds. Usage: recipient-identify.ts RECIPIENTS NAME:ATTACK…
 */
import { alignSuspect } from '../../../src/align/index.ts';
import { type ModelName, openNetwork, prune, quantize, type Weights } from '../../../src/lab/index.ts';
import {
  identifyRecipient,
  measurePayload,
  measurePayloadInOrder,
  toSuspectOrder,
} from '../../../src/watermark/index.ts';
import { makeRecipientCopy, type RecipientCopy } from '../recipient-copy.ts';

const NUMBER = 4711;
const [count, ...wanted] = process.argv.slice(2);
const recipients = Array.from({ length: Number(count) }, (_, index) => index + 1);

const ATTACKS: Readonly<Record<string, (made: RecipientCopy) => Weights>> = {
  none: ({ copy }) => copy,
  'prune-75': ({ spec, copy }) => prune(spec, copy, 0.75),
  int4: ({ spec, copy }) => quantize(spec, copy, { bits: 4, granularity: 'tensor' }),
};

function name(made: RecipientCopy, weights: Weights) {
  const { spec, original, mark, keys, plan } = made;
  const suspect = openNetwork(spec, weights);
  const started = process.cpuUsage();
  const layers = mark.record.perLayer.map((one) => mark.topology.layers.find((layer) => layer.name === one.name)!);
  const alignment = alignSuspect({ topology: mark.topology, original, suspect });
  const views = layers.map((layer) => alignment.layers.get(layer.name) ?? null);
  const payloads = [
    measurePayloadInOrder(layers, keys.positions, suspect),
    measurePayload(layers, keys.positions, views),
  ];
  const order = toSuspectOrder(plan.coded, alignment.channelMaps);
  const found = identifyRecipient({ order, payloads }, keys, { order: recipients, payload: recipients });
  const { user, system } = process.cpuUsage(started);
  return {
    isRight: found.number === NUMBER,
    orderBits: found.order!.evidenceBits,
    payloadBits: found.payload!.evidenceBits,
    agreements: found.order!.agreements,
    channels: found.order!.channels,
    cpuSeconds: (user + system) / 1e6,
  };
}

const made = new Map<string, RecipientCopy>();
const results = wanted.map((part) => {
  const [model, attack] = part.split(':');
  const copy = made.get(model) ?? makeRecipientCopy(model as ModelName, NUMBER);
  made.set(model, copy);
  return { model, attack, ...name(copy, ATTACKS[attack](copy)) };
});
console.log(JSON.stringify({ results }));
