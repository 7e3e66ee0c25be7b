/**
 * Reads a sealed object of SIZE bytes from a server on this machine and opens it: MODE "ranges" over S3, as the command
 * does, and once more with every answer 20 ms later; MODE "get" by one plain request, from memory. Prints CPU and wall of
 * this process alone. Usage: object-read.js MODE SIZE
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { get } from 'node:http';
import { join, resolve } from 'node:path';
import { openObjectStore } from '../../../dist/adapters/object-store/index.js';
import { openSealSource } from '../../../dist/seal/index.js';
import { openBufferSource } from '../../../dist/source/index.js';

const [, , mode, sizeText] = process.argv;
const size = Number(sizeText);
const server = fork(join(import.meta.dirname, 'object-server.ts'), [sizeText], { execArgv: ['--import', 'tsx'] });
const [{ url, lateUrl, plainUrl, keys }] = await once(server, 'message');
process.env.AWS_ACCESS_KEY_ID = keys.accessKeyId;
process.env.AWS_SECRET_ACCESS_KEY = keys.secretAccessKey;

function openOver(endpoint) {
  const store = openObjectStore({
    threadPath: resolve(import.meta.dirname, '../../../dist/cli/object-worker/compose.js'),
  });
  return store.open(`s3://weights/model.seal?region=eu-west-1&endpoint=${endpoint}`);
}

async function download(from) {
  const [response] = await once(get(from), 'response');
  const chunks = [];
  for await (const chunk of response) chunks.push(chunk);
  return openBufferSource('model.seal', Buffer.concat(chunks));
}

/** Every byte of the model, in the pieces of a reader. */
function readAll(source) {
  const opened = openSealSource({ source, dek: new Uint8Array(32).fill(7) });
  const into = new Uint8Array(2 ** 20);
  for (let at = 0; at < size; at += into.length) opened.read(at, into.subarray(0, Math.min(into.length, size - at)));
  opened.close();
}

async function measure(open) {
  const [startedMs, before] = [performance.now(), process.cpuUsage()];
  readAll(await open());
  const wallMs = performance.now() - startedMs;
  const { user, system } = process.cpuUsage(before);
  return { cpuMs: (user + system) / 1000, wallMs, perSecond: size / (wallMs / 1000) };
}

const figures = await measure(() => (mode === 'get' ? download(plainUrl) : openOver(url)));
const peakRssMib = process.resourceUsage().maxRSS / 1024;
const late = mode === 'get' ? {} : { latePerSecond: (await measure(() => openOver(lateUrl))).perSecond };
server.disconnect();
console.log(JSON.stringify({ ...figures, ...late, peakRssMib }));
// The thread that asks for objects would wait for more.
process.exit(0);
