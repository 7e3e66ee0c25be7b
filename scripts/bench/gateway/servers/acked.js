// Asks without pause until the server is gone; prints the ids of requests whose answers came whole. `URL BODY CREDENTIAL CONNECTIONS`
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';

const [url, bodyPath, credential, connections] = process.argv.slice(2);
const { hostname, port, pathname } = new URL(url);
const body = readFileSync(bodyPath);
const head = `POST ${pathname} HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: ${credential}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
const request = Buffer.concat([Buffer.from(head), body]);
const ids = [];
let open = Number(connections);

for (let at = 0; at < Number(connections); at++) {
  const socket = connect(Number(port), hostname);
  let text = '';
  socket.on('connect', () => socket.write(request));
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
    const headEnd = text.indexOf('\r\n\r\n');
    if (headEnd < 0) return;
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(text)[1]);
    if (text.length < headEnd + 4 + length) return;
    if (text.startsWith('HTTP/1.1 200')) ids.push(/\r\nx-request-id: *(\S+)/i.exec(text)[1]);
    text = '';
    socket.write(request);
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    open--;
    if (open === 0) console.log(JSON.stringify({ ids }));
  });
}
