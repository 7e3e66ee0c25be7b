/**
 * Seals 1 MiB and BIG bytes, each in a home of its own, and rewraps each envelope COUNT times in turn (rotation of a local
 * key, ledger entries synced). Prints the median milliseconds of both, the CPU milliseconds beside the key's own, and what
 * became of the sealed files. Usage: keys-rewrap.js FOLDER COUNT BIG
 */
import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { composeServices } from '../../../dist/cli/compose.js';
import { createCleanups } from '../../../dist/cli/ui/interrupt.js';
import { silentProgress } from '../../../dist/core/ports.js';
import { listEnvelopePaths, rewrapAll } from '../../../dist/workflows/keys/index.js';
import { sealInto } from '../../../dist/workflows/seal-model.js';
import { openSession } from '../../../dist/workflows/session.js';

const [folder, countText, bigText] = process.argv.slice(2);
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

function toCpuMs() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** A sealed file of so many bytes, its key in a home of its own. */
async function makePlace(name, sizeBytes) {
  const home = join(folder, name, 'home');
  mkdirSync(join(folder, name));
  const services = composeServices({ home, progress: silentProgress, cleanups: createCleanups() });
  const session = openSession(services, 'bench');
  const { writer: ledger, actor } = session.recorder;
  const keys = await services.openKeys({ uri: null, create: true, apartFrom: null, ledger, actor });
  const path = join(folder, name, 'model.seal');
  const fd = openSync(path, 'wx');
  const source = { label: 'model', size: sizeBytes, read: (at, into) => into.fill(at % 251), close: () => {} };
  const sink = { write: (chunk) => void writeSync(fd, chunk) };
  await sealInto(services, { files: [{ name: 'model', source }], modelName: 'model', format: 'bin', keys, sink });
  closeSync(fd);
  const { mtimeNs, ino } = statSync(path, { bigint: true });
  let keyMs = 0;
  const timed = (call) => async (request) => {
    const startedMs = toCpuMs();
    try {
      return await call(request);
    } finally {
      keyMs += toCpuMs() - startedMs;
    }
  };
  const { provider } = keys;
  const rewrap = async () => {
    await provider.rotate();
    keyMs = 0;
    const measured = { ...provider, rewrapKey: timed(provider.rewrapKey), unwrapKey: timed(provider.unwrapKey) };
    const [startedMs, startedCpuMs] = [performance.now(), toCpuMs()];
    const { rewrapped, faults } = await rewrapAll(services, session, {
      keys: { ...keys, provider: measured },
      folder: services.home.envelopesFolder,
    });
    const ms = performance.now() - startedMs;
    if (rewrapped !== 1 || faults.length > 0) throw new Error('internal error: not rewrapped');
    return { ms, ownMs: toCpuMs() - startedCpuMs - keyMs };
  };
  const before = { mtimeNs, ino, sha256: hash(path) };
  const isUntouched = () => {
    const after = statSync(path, { bigint: true });
    return after.mtimeNs === before.mtimeNs && after.ino === before.ino && hash(path) === before.sha256;
  };
  return { rewrap, isUntouched, envelopes: listEnvelopePaths(services.storage, services.home.envelopesFolder).length };
}

function hash(path) {
  const digest = createHash('sha256');
  const fd = openSync(path, 'r');
  const buffer = Buffer.allocUnsafe(2 ** 22);
  for (let got = readSync(fd, buffer); got > 0; got = readSync(fd, buffer)) digest.update(buffer.subarray(0, got));
  closeSync(fd);
  return digest.digest('hex');
}

const places = [await makePlace('small', 2 ** 20), await makePlace('big', Number(bigText))];
const times = places.map(() => []);
for (let round = 0; round <= Number(countText); round++) {
  for (const [at, place] of places.entries()) {
    const time = await place.rewrap();
    // The first round warms both up.
    if (round > 0) times[at].push(time);
  }
}
const [small, big] = times.map((list) => median(list.map(({ ms }) => ms)));
const ownCpuMs = median(times[1].map(({ ownMs: own }) => own));
console.log(JSON.stringify({ small, big, ownCpuMs, isUntouched: places.every((place) => place.isUntouched()) }));
