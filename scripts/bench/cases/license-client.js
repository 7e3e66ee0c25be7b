/** The devices of license-server.js: sends every request of a file over some lines that stay open, and counts what was not answered with 200, with one cause. */
import { readFileSync } from 'node:fs';
import { Agent, request as httpsRequest } from 'node:https';

const [, , port, caPath, requestsPath, connections] = process.argv;
const agent = new Agent({
  keepAlive: true,
  maxSockets: Number(connections),
  ca: readFileSync(caPath),
  minVersion: 'TLSv1.3',
});
const requests = readFileSync(requestsPath, 'utf8').split('\n');

function send(text) {
  return new Promise((resolve) => {
    const headers = { 'content-type': 'application/jwt', 'content-length': text.length };
    const call = httpsRequest(
      { agent, host: '127.0.0.1', port, path: '/v1/lease', method: 'POST', headers },
      (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode === 200 ? null : response.statusCode));
      },
    );
    // A server may close a line that was idle just when it is used again; nothing of the request was read then.
    call.on('error', ({ code }) => resolve(call.reusedSocket && code === 'ECONNRESET' ? send(text) : code));
    call.end(text);
  });
}

async function work(state) {
  while (state.next < requests.length) {
    const text = requests[state.next];
    state.next += 1;
    const cause = await send(text);
    if (cause === null) continue;
    state.bad += 1;
    state.cause = cause;
  }
}

process.once('message', async () => {
  const state = { next: 0, bad: 0, cause: null };
  await Promise.all(Array.from({ length: Number(connections) }, () => work(state)));
  process.send([state.bad, state.cause]);
});
process.send('ready');
