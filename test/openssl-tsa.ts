/** A real RFC 3161 authority made with `openssl ts`, with its own CA, in a temporary folder. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TimestampAuthority } from '../src/sign/index.ts';

export interface OpensslTsa extends TimestampAuthority {
  readonly folder: string;
  readonly rootPem: string;
  /** `openssl ts -verify` of a stored token; throws when it refuses. */
  verify(token: Uint8Array, data: Uint8Array): string;
  answer(request: Uint8Array): Uint8Array;
  /** Signs any TSTInfo with the authority's key and certificate, fit for it or not, by `openssl cms`. */
  signContent(content: Uint8Array, options?: { withCertificateId: boolean }): Uint8Array;
  remove(): void;
}

export interface OpensslTsaOptions {
  /** Defaults to EC P-256. */
  readonly newKey?: readonly string[];
  /** Extensions of the authority's certificate. */
  readonly extensions?: readonly string[];
  /** Puts an intermediate CA between root and authority. */
  readonly intermediate?: boolean;
  /** Extensions of the intermediate; those of a CA by default. */
  readonly intermediateExtensions?: readonly string[];
  readonly settings?: Readonly<Record<string, string>>;
  /** Days that the authority's certificate is valid. */
  readonly days?: number;
}

const EC = ['ecparam', '-name', 'prime256v1', '-genkey', '-noout'];
const CA = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign'];

export function createOpensslTsa(options: OpensslTsaOptions = {}): OpensslTsa {
  const folder = mkdtempSync(join(tmpdir(), 'modelward-tsa-'));
  const openssl = (...args: readonly string[]) =>
    execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  const write = (name: string, content: string | Uint8Array) => {
    writeFileSync(join(folder, name), content);
  };
  const issue = (
    name: string,
    issuer: string,
    extensions: readonly string[],
    newKey: readonly string[],
    days: number,
  ) => {
    openssl(...newKey, '-out', `${name}.key`);
    openssl('req', '-new', '-key', `${name}.key`, '-subj', `/CN=test ${name}`, '-out', `${name}.csr`);
    write(`${name}.ext`, `${extensions.join('\n')}\n`);
    const by =
      issuer === name
        ? ['-signkey', `${name}.key`]
        : ['-CA', `${issuer}.pem`, '-CAkey', `${issuer}.key`, '-CAcreateserial'];
    openssl(
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      ...by,
      '-days',
      String(days),
      '-sha256',
      '-extfile',
      `${name}.ext`,
      '-out',
      `${name}.pem`,
    );
  };
  issue('root', 'root', CA, EC, 3650);
  const issuer = options.intermediate === true ? 'middle' : 'root';
  if (issuer === 'middle') issue('middle', 'root', options.intermediateExtensions ?? CA, EC, 3650);
  const usual = [
    'basicConstraints=CA:FALSE',
    'keyUsage=critical,digitalSignature',
    'extendedKeyUsage=critical,timeStamping',
  ];
  issue('tsa', issuer, options.extensions ?? usual, options.newKey ?? EC, options.days ?? 365);
  const settings = {
    serial: './serial',
    signer_cert: './tsa.pem',
    signer_key: './tsa.key',
    certs: `./${issuer}.pem`,
    signer_digest: 'sha256',
    default_policy: '1.2.3.4.1',
    digests: 'sha256, sha384, sha512',
    accuracy: 'secs:1',
    ess_cert_id_alg: 'sha256',
    ...options.settings,
  };
  const lines = Object.entries(settings).map(([key, value]) => `${key} = ${value}`);
  write('tsa.cnf', ['[tsa]', 'default_tsa = main', '[main]', ...lines, ''].join('\n'));
  const answer = (request: Uint8Array) => {
    write('request.tsq', request);
    openssl('ts', '-reply', '-config', 'tsa.cnf', '-queryfile', 'request.tsq', '-out', 'reply.tsr');
    return new Uint8Array(readFileSync(join(folder, 'reply.tsr')));
  };
  return {
    folder,
    label: 'openssl ts',
    rootPem: readFileSync(join(folder, 'root.pem'), 'utf8'),
    answer,
    request: (request) => Promise.resolve(answer(request)),
    verify(token, data) {
      write('token.der', token);
      write('data', data);
      const untrusted = issuer === 'middle' ? ['-untrusted', 'middle.pem'] : [];
      return openssl(
        'ts',
        '-verify',
        '-data',
        'data',
        '-in',
        'token.der',
        '-token_in',
        '-CAfile',
        'root.pem',
        ...untrusted,
      ).toString();
    },
    signContent(content, { withCertificateId } = { withCertificateId: true }) {
      write('content', content);
      const signer = ['-signer', 'tsa.pem', '-inkey', 'tsa.key', '-certfile', `${issuer}.pem`, '-md', 'sha256'];
      const form = ['-binary', '-nodetach', '-outform', 'DER', '-econtent_type', '1.2.840.113549.1.9.16.1.4'];
      openssl(
        'cms',
        '-sign',
        ...form,
        ...signer,
        ...(withCertificateId ? ['-cades'] : []),
        '-in',
        'content',
        '-out',
        'forged.der',
      );
      return new Uint8Array(readFileSync(join(folder, 'forged.der')));
    },
    remove() {
      rmSync(folder, { recursive: true });
    },
  };
}

/** The authority over HTTP, on this machine. */
export async function serveTsa(tsa: Pick<OpensslTsa, 'answer'>): Promise<{ readonly url: string; close(): void }> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      response.setHeader('content-type', 'application/timestamp-reply');
      response.end(tsa.answer(Buffer.concat(chunks)));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, close: () => server.close() };
}
