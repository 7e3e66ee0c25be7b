// An identity provider: keys over https, and tokens for so many callers. `CERT KEY COUNT`
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { exportJWK, SignJWT } from 'jose';

const [cert, key, count] = process.argv.slice(2);
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256', use: 'sig' };
const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (_request, response) => {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ keys: [jwk] }));
});
server.listen(0, '127.0.0.1', async () => {
  const { port } = server.address();
  const issuer = `https://127.0.0.1:${port}`;
  const make = (subject) =>
    new SignJWT({ role: 'bench' })
      .setProtectedHeader({ alg: 'RS256', kid: 'one' })
      .setIssuer(issuer)
      .setAudience('bench')
      .setSubject(subject)
      .setIssuedAt()
      .setExpirationTime('4h')
      .sign(privateKey);
  const tokens = await Promise.all(Array.from({ length: Number(count) }, (_, at) => make(`caller-${at}`)));
  console.log(JSON.stringify({ port, issuer, tokens }));
});
