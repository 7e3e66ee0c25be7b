// Sends requests at a rate, whether answers come or not; prints latencies from the moments at which they were due.
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';

const options = JSON.parse(process.argv[2]);
const { url, bodyPath, headers, credentials, rate, seconds, method = 'POST', isPatient = false } = options;
const { hostname, port, pathname } = new URL(url);
const CONNECTIONS_MAX = 512;
const WARM_MS = 1000;

const body = method === 'GET' ? Buffer.alloc(0) : readFileSync(bodyPath);
const requests = credentials.map((credential) => {
  const lines = Object.entries({ host: `${hostname}:${port}`, authorization: credential, ...headers });
  const head = `${method} ${pathname} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}`;
  return Buffer.concat([Buffer.from(`${head}content-length: ${body.length}\r\n\r\n`), body]);
});

// A fixed seed: each server gets the same arrivals.
let state = 0x9e3779b9;
function random() {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return ((state >>> 0) + 1) / 4294967297;
}

const free = [];
const waiting = [];
const latencies = [];
let [open, failed, sent, underway] = [0, 0, 0, 0];

/** Length of a whole answer at the beginning of `data`; -1 while it is not whole. */
function findEnd(data) {
  const headEnd = data.indexOf('\r\n\r\n');
  if (headEnd < 0) return -1;
  const head = data.toString('latin1', 0, headEnd);
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length !== undefined) return data.length >= headEnd + 4 + Number(length) ? headEnd + 4 + Number(length) : -1;
  return data.toString('latin1', Math.max(headEnd, data.length - 5)).endsWith('0\r\n\r\n') ? data.length : -1;
}

function openConnection() {
  open++;
  const socket = connect(Number(port), hostname);
  socket.setNoDelay(true);
  const line = { socket, dueMs: null, data: null };
  socket.on('data', (chunk) => {
    line.data = line.data === null ? chunk : Buffer.concat([line.data, chunk]);
    if (findEnd(line.data) < 0) return;
    const isGood = line.data.toString('latin1', 9, 12) === '200';
    line.data = null;
    settle(line, isGood);
    const next = waiting.shift();
    if (next === undefined) free.push(line);
    else send(line, next);
  });
  const end = () => {
    if (line.dueMs !== null) settle(line, false);
    if (line.isGone) return;
    line.isGone = true;
    open--;
    const at = free.indexOf(line);
    if (at >= 0) free.splice(at, 1);
  };
  socket.on('error', end);
  socket.on('close', end);
  return line;
}

function settle(line, isGood) {
  if (line.dueMs >= measureFromMs) {
    latencies.push(performance.now() - line.dueMs);
    if (!isGood) failed++;
  }
  line.dueMs = null;
  underway--;
}

function send(line, dueMs) {
  line.dueMs = dueMs;
  line.socket.write(requests[sent++ % requests.length]);
}

function arrive(dueMs) {
  underway++;
  const line = free.pop() ?? (open < CONNECTIONS_MAX ? openConnection() : null);
  if (line === null) waiting.push(dueMs);
  else send(line, dueMs);
}

for (let at = 0; at < 16; at++) free.push(openConnection());
await new Promise((done) => setTimeout(done, 300));
const startMs = performance.now();
const measureFromMs = startMs + WARM_MS;
const endMs = measureFromMs + seconds * 1000;
let nextMs = startMs;

// Timers of Node are a millisecond late at best: the core is ours, and is watched without pause, unless that is not what is asked.
await new Promise((done) => {
  const look = () => {
    const nowMs = performance.now();
    while (nextMs <= nowMs && nextMs < endMs) {
      arrive(nextMs);
      nextMs += (-Math.log(random()) / rate) * 1000;
    }
    if (nowMs >= endMs && (underway === 0 || nowMs > endMs + 10_000)) done();
    else if (isPatient) setTimeout(look, 1);
    else setImmediate(look);
  };
  look();
});
for (let left = underway; left > 0; left--) {
  failed++;
  latencies.push(performance.now() - endMs);
}
latencies.sort((a, b) => a - b);
const quantile = (q) => latencies[Math.min(latencies.length - 1, Math.floor(q * latencies.length))];
const figures = { p50Ms: quantile(0.5), p99Ms: quantile(0.99), maxMs: latencies.at(-1) };
console.log(JSON.stringify({ sent: latencies.length, failed, ...figures }));
process.exit(0);
