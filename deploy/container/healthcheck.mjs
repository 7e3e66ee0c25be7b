// Whether the gateway of this container is ready: node healthcheck.mjs PORT. Needs openHealth in the configuration. The certificate is
// not checked: the question never leaves the container, and the answer is one bit.
import { request } from 'node:https';

const [port = '8443'] = process.argv.slice(2);
const options = { host: '127.0.0.1', port, path: '/v2/health/ready', rejectUnauthorized: false, timeout: 4000 };
const sent = request(options, ({ statusCode }) => process.exit(statusCode === 200 ? 0 : 1));
sent.on('error', () => process.exit(1));
sent.on('timeout', () => process.exit(1));
sent.end();
