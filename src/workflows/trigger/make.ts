/** Makes a trigger set of a data set: committed to and recorded first, then written for the trainer's loader. */
import { basename, join } from 'node:path';
import { PNG } from 'pngjs';
import { allocSecret, toHex, utf8, zeroize } from '../../core/bytes.ts';
import { encodeValues } from '../../fidelity/index.ts';
import { toNpz } from '../../lab/index.ts';
import { ownerSeedBox } from '../../sign/index.ts';
import { stageFolder } from '../../source/index.ts';
import {
  createTriggerSet,
  encodeTriggerSet,
  openSubSeed,
  type PatternPlane,
  type SetSource,
  type SetTriggers,
  toPatternPlane,
  toSetFacts,
  toSetTriggers,
  type TriggerSet,
  type TriggerSetBody,
} from '../../watermark/index.ts';
import { readClaim } from '../claims.ts';
import { openEvalData } from '../protect/eval-data.ts';
import type { Services } from '../services.ts';
import type { Session } from '../session.ts';
import { assertNoInput, writeBytes } from '../write-bytes.ts';
import { toSetSource } from './set-data.ts';

export interface MakeSetOptions {
  /** Absolute path of the data that will be trained on. */
  readonly dataPath: string;
  readonly labelColumn?: 'auto' | 'first' | 'last' | undefined;
  readonly dataRoot?: string | undefined;
  /** Absolute path of a claim whose trigger seed is used; a seed of its own without one. */
  readonly claimPath?: string | undefined;
  /** Absolute path of the folder to make. */
  readonly out: string;
  readonly force: boolean;
  readonly count: number;
  /** Share of the pattern in each mixture, (0, 1]. */
  readonly strength: number;
}

export interface MakeSetResult {
  readonly set: string;
  readonly npz: string;
  /** Null for data that is no picture. */
  readonly images: string | null;
  readonly digest: string;
  readonly leafIndex: number;
  readonly triggers: number;
  readonly classes: number;
  readonly samples: number;
}

const SEED_BYTES = 32;

/**
 * @throws WatermarkError WATERMARK_TRIGGER_UNFIT | WATERMARK_SEED_MISMATCH; RuntimeError DATA_…; SourceError WRITE_…;
 *   LedgerError
 */
export async function makeTriggerSet(
  services: Services,
  session: Session,
  options: MakeSetOptions,
): Promise<MakeSetResult> {
  assertNoInput([options.out], [options.dataPath, options.claimPath]);
  const data = openEvalData(services, { ...options, evalPath: options.dataPath });
  const seed = allocSecret(SEED_BYTES);
  let triggers: SetTriggers | undefined;
  try {
    if (data === null) throw new TypeError('a trigger set needs data');
    const claim = fillTriggerSeed(services, session, options.claimPath, seed);
    const source = toSetSource(data);
    services.progress.step('reading the data', source.count, 'items');
    const facts = toSetFacts(source, () => {
      services.progress.advance(1);
    });
    services.progress.done();
    const { digest, low, high } = facts;
    const body: TriggerSetBody = {
      ...{ v: 1, scheme: 'overlay/v2', classes: facts.classes, strength: options.strength },
      data: { digest: toHex(digest), count: source.count, shape: [...source.shape], low, high },
      count: Math.min(options.count, source.count),
    };
    const { owner } = session;
    const { ownerId, signKey } = owner.identity;
    const seedBox = ownerSeedBox({ secrets: owner.secrets, random: services.random });
    const set = createTriggerSet({ ownerKey: signKey, ownerId, claim, triggerSeed: seed, seedBox, body });
    triggers = toSetTriggers(body, seed, { source, facts });
    return await writeSet(services, session, { options, set, triggers, source, isBytes: data.isBytes });
  } finally {
    triggers?.forget();
    zeroize(seed);
    data?.close();
  }
}

/** The commitment of the claim that the seed is taken from; null for a fresh one. */
function fillTriggerSeed(
  services: Services,
  { owner }: Session,
  claimPath: string | undefined,
  into: Uint8Array,
): string | null {
  if (claimPath === undefined) {
    services.random.fill(into);
    return null;
  }
  const { claim } = readClaim(services, claimPath);
  const opened = openSubSeed(claim, ownerSeedBox({ secrets: owner.secrets, random: services.random }), 'trigger');
  into.set(opened);
  zeroize(opened);
  return claim.commitment.digest;
}

interface MadeSet {
  readonly options: MakeSetOptions;
  readonly set: TriggerSet;
  readonly triggers: SetTriggers;
  readonly source: SetSource & { readonly classes: readonly number[] };
  readonly isBytes: boolean;
}

async function writeSet(services: Services, session: Session, made: MadeSet): Promise<MakeSetResult> {
  const { options, set } = made;
  const { body } = set.preimage;
  const staged = stageFolder({ storage: services.storage, target: options.out, replace: options.force });
  try {
    const write = (name: string, bytes: Uint8Array): void => {
      writeBytes(services.storage, { path: join(staged.path, name), mode: 0o600, bytes });
    };
    write(SET_NAME, encodeTriggerSet(set));
    const pictures = writeSamples(services, made, staged.path, write);
    const { recorder } = session;
    const entry = { type: 'commit', actor: recorder.actor, subject: basename(options.dataPath) } as const;
    const receipt = await recorder.record([{ ...entry, digests: { commitment: set.digest }, detail: { version: 1 } }]);
    staged.commit();
    return {
      ...{ set: join(options.out, SET_NAME), npz: join(options.out, NPZ_NAME) },
      images: pictures ? join(options.out, IMAGES_NAME) : null,
      ...{ digest: set.digest, leafIndex: receipt.firstIndex },
      ...{ triggers: body.count, classes: body.classes, samples: body.data.count },
    };
  } catch (error) {
    staged.abort();
    throw error;
  }
}

const SET_NAME = 'triggers.set.json';
const NPZ_NAME = 'triggers.npz';
const IMAGES_NAME = 'images';

/** npz with x and y as the data has them; for bytes that are pictures, PNG files and labels.csv, too. */
function writeSamples(
  { storage }: Services,
  { set, triggers, source, isBytes }: MadeSet,
  folder: string,
  write: (name: string, bytes: Uint8Array) => void,
): boolean {
  const { count } = set.preimage.body;
  const size = source.shape.reduce((product, dim) => product * dim, 1);
  const values = isBytes ? new Uint8Array(count * size) : new Float32Array(count * size);
  for (let index = 0; index < count; index++) {
    const sample = triggers.sample(index);
    values.set(isBytes ? encodeValues('u8', sample) : sample, index * size);
  }
  const labels = Array.from(triggers.labels, (label) => source.classes[label]);
  const y = { shape: [count], values: BigInt64Array.from(labels, BigInt) };
  write(NPZ_NAME, toNpz({ x: { shape: [count, ...source.shape], values }, y }));
  const picture = values instanceof Uint8Array ? findPicture(source.shape) : undefined;
  if (picture === undefined || !(values instanceof Uint8Array)) return false;
  storage.makeFolder(join(folder, IMAGES_NAME), 0o700);
  const names = labels.map((_, index) => `${IMAGES_NAME}/${String(index).padStart(4, '0')}.png`);
  for (const [index, name] of names.entries()) {
    write(name, toPng(values.subarray(index * size, (index + 1) * size), picture));
  }
  write('labels.csv', utf8(`file,label\n${names.map((name, index) => `${name},${labels[index]}\n`).join('')}`));
  return true;
}

/** Where the pixels of a picture lie; undefined for anything else. */
function findPicture(shape: readonly number[]): PatternPlane | undefined {
  const plane = toPatternPlane(shape);
  const isPicture = shape.length >= 2 && plane.height > 1 && (plane.channels === 1 || plane.channels === 3);
  return isPicture ? plane : undefined;
}

function toPng(values: Uint8Array, { height, width, channels, isChannelsFirst }: PatternPlane): Uint8Array {
  const png = new PNG({ width, height });
  for (let at = 0; at < height * width; at++) {
    for (let channel = 0; channel < 3; channel++) {
      const own = channel % channels;
      png.data[4 * at + channel] = values[isChannelsFirst ? own * height * width + at : at * channels + own];
    }
    png.data[4 * at + 3] = 255;
  }
  return new Uint8Array(PNG.sync.write(png));
}
