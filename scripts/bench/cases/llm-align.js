/**
 * Marks MODEL, gives the copy a recipient's order and changes it inside its heads (in FOLDER, unless it lies there), then with
 * the original at hand reads mark, recipient and lineage from it; prints the seconds of each, and the peak of memory of that part.
 */
import { closeSync, existsSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { alignSuspect, toTopology } from '../../../dist/align/index.js';
import { openModelPath, writeModel } from '../../../dist/formats/index.js';
import { compareLineage } from '../../../dist/lineage/index.js';
import { nodeStorage } from '../../../dist/source/node-storage.js';
import { stageFolder } from '../../../dist/source/staging.js';
import {
  createClaim,
  createOrderEdits,
  deriveRecipientKeys,
  deriveSeeds,
  detectMark,
  embedMark,
  encodeClaim,
  identifyRecipient,
  parseClaim,
  planOrder,
  toOriginalDigest,
  toPlaces,
  toRecipientOrderKey,
  toSuspectOrder,
} from '../../../dist/watermark/index.js';

const RECIPIENT = 42;
const RECIPIENTS = Array.from({ length: 1000 }, (_, at) => at + 1);

const [, , path, folder, step] = process.argv;
const seed = new Uint8Array(32).fill(1);
const seeds = deriveSeeds(seed);
const claimPath = join(folder, 'claim.json');
const original = openModelPath(path);
const name = original.files[0].name;
const topology = toTopology(original);

function write(model, edits, to) {
  const staged = stageFolder({ storage: nodeStorage, target: join(folder, to) });
  writeModel(model.plan(edits), staged);
  staged.commit();
}

/** Values and output of every key head by a rotation, rotary pairs by a quarter: 16-bit floats, in place. */
function changeHeads(file) {
  const { num_attention_heads: heads, num_key_value_heads: keyHeads } = JSON.parse(original.readSettings());
  const model = openModelPath(file);
  for (const tensor of model.tensors) {
    const part = /self_attn\.([qkvo])_proj/.exec(tensor.name)?.[1];
    if (part === undefined) continue;
    const [rows, columns] = tensor.shape;
    const own = part === 'o' ? columns : rows;
    const width = own / (part === 'k' || part === 'v' ? keyHeads : heads);
    const bytes = new Uint8Array(tensor.byteLength);
    tensor.read(0, bytes);
    const words = new Uint16Array(bytes.buffer);
    const turn = (a, b, angle) => {
      const [x, y] = [toSingle(words[a]), toSingle(words[b])];
      words[a] = toHalf(Math.cos(angle) * x - Math.sin(angle) * y);
      words[b] = toHalf(Math.sin(angle) * x + Math.cos(angle) * y);
    };
    const place = (entry, other) => (part === 'o' ? other * columns + entry : entry * columns + other);
    const others = part === 'o' ? rows : columns;
    // Rounds of turns of neighbours mix all entries of a head; of queries and keys only pairs may turn.
    const rounds = part === 'q' || part === 'k' ? [width / 2] : [1, 2, 3, 5, width / 2];
    for (let head = 0; head * width < own; head++) {
      for (const step of rounds) {
        for (let i = 0; i < width / 2; i++) {
          const first = step === width / 2 ? i : (2 * i * step + (i % 2)) % width;
          const second = (first + step) % width;
          for (let other = 0; other < others; other++) {
            turn(place(head * width + first, other), place(head * width + second, other), 1 + i / 7 + step);
          }
        }
      }
    }
    const fd = openSync(join(folder, 'copy', model.files[tensor.fileIndex].name), 'r+');
    writeSync(fd, bytes, 0, bytes.length, tensor.start);
    closeSync(fd);
  }
  model.close();
}

const scratch = new DataView(new ArrayBuffer(4));
function toSingle(word) {
  scratch.setUint32(0, word << 16);
  return scratch.getFloat32(0);
}
function toHalf(value) {
  scratch.setFloat32(0, value);
  return (scratch.getUint32(0) + 0x8000) >>> 16;
}

function prepare() {
  const originalDigest = toOriginalDigest(original);
  const mark = embedMark({ model: original, ownSeed: seeds.own, ownerId: 'bench', originalDigest });
  write(original, mark.edits, 'marked');
  const marked = openModelPath(join(folder, 'marked', name));
  const { parts, coded } = planOrder(marked, topology);
  const key = toRecipientOrderKey(deriveRecipientKeys(seeds.recipient, originalDigest).order, RECIPIENT);
  write(marked, createOrderEdits(parts, new Map(coded.map((space) => [space.space, toPlaces(key, space)]))), 'copy');
  marked.close();
  changeHeads(join(folder, 'copy', name));
  const claim = createClaim({
    ...{ seed, seedBox: { sealSeed: () => null, openSeed: () => seed }, ownerKey: 'bench', ownerId: 'bench' },
    ...{ originalDigest, markedDigest: originalDigest, mark },
  });
  writeFileSync(claimPath, encodeClaim(claim));
}

function read() {
  const claim = parseClaim(readFileSync(claimPath));
  const times = {};
  const time = (label, run) => {
    const startMs = performance.now();
    const result = run();
    times[label] = (performance.now() - startMs) / 1000;
    return result;
  };
  const suspect = openModelPath(join(folder, 'copy', name));
  // As the command does: one alignment serves the mark and the order.
  let alignment = null;
  const align = (options) => (alignment ??= alignSuspect(options));
  const own = time('detectSeconds', () => detectMark({ suspect, claim, ownSeed: seeds.own, original, align }));
  const found = time('recipientSeconds', () => {
    const keys = deriveRecipientKeys(seeds.recipient, toOriginalDigest(original));
    const order = toSuspectOrder(planOrder(original, topology).coded, alignment.channelMaps);
    return identifyRecipient({ order, payloads: [] }, keys, { order: RECIPIENTS, payload: [] });
  });
  const lineage = time('lineageSeconds', () => compareLineage({ suspect, originals: [original] }));
  const isRight = own.verdict === 'claim' && found.number === RECIPIENT && lineage.verdict === 'derived';
  const figures = {
    evidenceBits: own.evidenceBits,
    agreements: found.order.agreements,
    channels: found.order.channels,
  };
  return { ...times, ...figures, own: own.verdict, lineage: lineage.verdict, isRight: Number(isRight) };
}

if (step === 'prepare') prepare();
else console.log(JSON.stringify({ ...read(), peakRssMib: process.resourceUsage().maxRSS / 1024 }));
