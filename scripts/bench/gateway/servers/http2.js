// gRPC by hand over node:http2. `answer FILE`: reads requests, and answers with the message in the file. `proxy PORT`: hands on.
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:http2';

const [mode, argument] = process.argv.slice(2);
const WINDOW_BYTES = 8 * 1024 * 1024;
const settings = { initialWindowSize: 1024 * 1024 };
const HEAD = { ':status': 200, 'content-type': 'application/grpc' };

const read = (stream, done) => {
  const chunks = [];
  stream.on('data', (chunk) => chunks.push(chunk));
  stream.on('end', () => done(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)));
};
const answer = (stream, body) => {
  stream.respond(HEAD, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(body);
};

const widen = (session) => session.setLocalWindowSize(WINDOW_BYTES);
const behind = mode === 'proxy' ? connect(`http://127.0.0.1:${argument}`, { settings }) : null;
behind?.on('connect', () => widen(behind));
const message = mode === 'proxy' ? null : readFileSync(argument);

const server = createServer({ settings });
server.on('session', widen);
server.on('stream', (stream, headers) => {
  stream.on('error', () => undefined);
  read(stream, (body) => {
    if (behind === null) {
      answer(stream, message);
      return;
    }
    const { ':path': path, 'content-type': type } = headers;
    const sent = behind.request({ ':method': 'POST', ':path': path, 'content-type': type, te: 'trailers' });
    read(sent, (back) => answer(stream, back));
    sent.end(body);
  });
});
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })));
