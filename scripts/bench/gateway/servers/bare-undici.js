// The floor of Node: node:http in front, undici behind, nothing between; no check, no log.
import { createServer } from 'node:http';
import { Pool } from 'undici';

const pool = new Pool(process.argv[2], { connections: 64, pipelining: 1 });
const join = (chunks) => (chunks.length === 1 ? chunks[0] : Buffer.concat(chunks));

const server = createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const parts = [];
    let code = 0;
    pool.dispatch(
      {
        method: 'POST',
        path: request.url,
        headers: ['content-type', request.headers['content-type'] ?? 'application/json'],
        body: join(chunks),
      },
      {
        onConnect() {},
        onHeaders(status) {
          code = status;
          return true;
        },
        onData(chunk) {
          parts.push(chunk);
          return true;
        },
        onComplete() {
          const body = join(parts);
          response.writeHead(code, { 'content-type': 'application/json', 'content-length': body.length });
          response.end(body);
        },
        onError(error) {
          response.destroy(error);
        },
      },
    );
  });
});
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })));
