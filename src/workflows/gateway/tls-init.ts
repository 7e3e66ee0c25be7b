/** "tls init": certificates for a server and its clients in one step, so that nobody begins in plaintext. */
import { isIP } from 'node:net';
import { join } from 'node:path';
import { utf8, zeroize } from '../../core/bytes.ts';
import { SourceError, TlsError } from '../../core/errors.ts';
import { TLS_LIMITS } from '../../core/limits/tls.ts';
import type { TlsAuthority, TlsClientName, TlsIssued, TlsName } from '../../core/tls-authority.ts';
import { makeParent, writeBytes } from '../write-bytes.ts';
import type { Services } from '../services.ts';

export interface InitTlsOptions {
  /** Absolute path of the folder. */
  readonly out: string;
  /** DNS names and addresses of the server. */
  readonly names: readonly string[];
  readonly clients: readonly string[];
  /** Host part of the SPIFFE ids of clients; null: the first DNS name, else `modelward.internal`. */
  readonly trustDomain: string | null;
  /** UTF-8, of the authority's key, which is thrown away without one. Wiped here. */
  readonly passphrase: Uint8Array | null;
  readonly force: boolean;
}

export interface InitTlsResult {
  readonly authority: { readonly certificate: string; readonly privateKey: string | null };
  readonly server: { readonly certificate: string; readonly privateKey: string; readonly names: readonly string[] };
  readonly clients: readonly { readonly id: string; readonly certificate: string; readonly privateKey: string }[];
  readonly days: number;
}

/**
 * Makes an authority for these names alone, and a certificate for the server and each client. Nothing is put into a store
 * of the system; keys are files for their owner alone, each written whole or not at all.
 * @throws TlsError TLS_NAME_INVALID | TLS_CLIENT_INVALID | TLS_PASSPHRASE_SHORT; SourceError WRITE_EXISTS | WRITE_FAILED
 */
export async function initTls(
  { storage, clock }: Pick<Services, 'storage' | 'clock'>,
  authority: TlsAuthority,
  options: InitTlsOptions,
): Promise<InitTlsResult> {
  const { passphrase } = options;
  try {
    if (passphrase !== null) assertPassphrase(passphrase);
    const names = toNames(options.names);
    const trustDomain = toTrustDomain(options.trustDomain, names);
    const clients = toClients(options.clients, trustDomain);
    const files = toFiles(options.out, { clients, isKept: passphrase !== null });
    if (!options.force) assertFree(storage, files.all);
    const issued = await authority.issue({ names, clients, trustDomain, nowMs: clock.nowMs(), passphrase });
    writeAll(storage, files, issued, options.force);
    return toResult(files, { names, clients });
  } finally {
    if (passphrase !== null) zeroize(passphrase);
  }
}

/** Characters, not bytes. @throws TlsError TLS_PASSPHRASE_SHORT */
function assertPassphrase(passphrase: Uint8Array): void {
  if (Array.from(new TextDecoder().decode(passphrase)).length < TLS_LIMITS.passphraseCharsMin) {
    throw new TlsError('TLS_PASSPHRASE_SHORT', { fields: { charsMin: TLS_LIMITS.passphraseCharsMin } });
  }
}

/** @throws TlsError TLS_NAME_INVALID */
function toNames(texts: readonly string[]): TlsName[] {
  const unique = [...new Set(texts.map((text) => text.toLowerCase()))];
  if (unique.length === 0 || unique.length > TLS_LIMITS.namesMax) {
    throw new TlsError('TLS_NAME_INVALID', { fields: { names: unique.length, namesMax: TLS_LIMITS.namesMax } });
  }
  return unique.map(toName);
}

/** Labels of letters, digits and hyphens; one label alone, such as localhost, is a name, too. */
const DNS_NAME = /^(?=.{1,253}$)(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))*$/;

function toName(text: string): TlsName {
  const family = isIP(text);
  if (family !== 0) return { kind: 'ip', text, bytes: family === 4 ? toIpv4(text) : toIpv6(text) };
  // A last label of digits is read as an address by some, and as a name by others.
  if (!DNS_NAME.test(text) || /(?:^|\.)[0-9]+$/.test(text))
    throw new TlsError('TLS_NAME_INVALID', { fields: { name: text } });
  return { kind: 'dns', text };
}

function toIpv4(text: string): Uint8Array {
  return Uint8Array.from(text.split('.').map(Number));
}

/** @param text - an address of IPv6; with a zone it is no name for a certificate */
function toIpv6(text: string): Uint8Array {
  if (text.includes('%')) throw new TlsError('TLS_NAME_INVALID', { fields: { name: text } });
  // The host of a URL is written without IPv4 notation.
  const [left, right = null] = new URL(`http://[${text}]`).hostname.slice(1, -1).split('::');
  const toWords = (part: string | null): number[] =>
    part === null || part === '' ? [] : part.split(':').map((word) => Number.parseInt(word, 16));
  const [before, after] = [toWords(left), toWords(right)];
  const words = [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after];
  return Uint8Array.from(words.flatMap((word) => [word >> 8, word & 0xff]));
}

function toTrustDomain(given: string | null, names: readonly TlsName[]): string {
  const text = given?.toLowerCase() ?? names.find(({ kind }) => kind === 'dns')?.text ?? 'modelward.internal';
  if (toName(text).kind !== 'dns') throw new TlsError('TLS_NAME_INVALID', { fields: { name: text } });
  return text;
}

/** @throws TlsError TLS_CLIENT_INVALID */
function toClients(names: readonly string[], trustDomain: string): TlsClientName[] {
  const isNew = new Set(names.map((name) => name.toLowerCase())).size === names.length;
  if (!isNew || names.length > TLS_LIMITS.clientsMax) throw new TlsError('TLS_CLIENT_INVALID');
  return names.map((name) => {
    // It becomes the name of a file, and a segment of a path.
    if (!/^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$/.test(name)) {
      throw new TlsError('TLS_CLIENT_INVALID', { fields: { client: name } });
    }
    return { name, uri: `spiffe://${trustDomain}/client/${name}` };
  });
}

interface PairPaths {
  readonly certificate: string;
  readonly privateKey: string;
}

interface Files {
  readonly authority: { readonly certificate: string; readonly privateKey: string | null };
  readonly server: PairPaths;
  readonly clients: readonly PairPaths[];
  readonly all: readonly string[];
}

function toFiles(
  out: string,
  { clients, isKept }: { readonly clients: readonly TlsClientName[]; readonly isKept: boolean },
): Files {
  const toPair = (name: string): PairPaths => ({
    certificate: join(out, `${name}.pem`),
    privateKey: join(out, `${name}.key`),
  });
  const authority = { certificate: join(out, 'ca.pem'), privateKey: isKept ? join(out, 'ca.key') : null };
  const [server, pairs] = [toPair('server'), clients.map(({ name }) => toPair(join('clients', name)))];
  const all = [authority, server, ...pairs].flatMap(({ certificate, privateKey }) => [certificate, privateKey ?? '']);
  return { authority, server, clients: pairs, all: all.filter((path) => path !== '') };
}

/** Before anything is made: nothing is written when one file is in the way. @throws SourceError WRITE_EXISTS */
function assertFree(storage: Services['storage'], paths: readonly string[]): void {
  const taken = paths.find((path) => storage.exists(path));
  if (taken !== undefined) throw new SourceError('WRITE_EXISTS', { fields: { file: taken } });
}

/** Keys before certificates: a server that looks in between finds a pair that does not fit, and keeps the one that it has. */
function writeAll(storage: Services['storage'], files: Files, issued: TlsIssued, replace: boolean): void {
  const write = (path: string, bytes: Uint8Array, mode: number): void => {
    makeParent(storage, path);
    writeBytes(storage, { path, mode, bytes, replace });
  };
  const pairs = [
    { paths: files.server, pair: issued.server },
    ...files.clients.map((paths, n) => ({ paths, pair: issued.clients[n] })),
  ];
  const { authorityKeyPem, authorityPem } = issued;
  if (files.authority.privateKey !== null && authorityKeyPem !== null) {
    write(files.authority.privateKey, authorityKeyPem, 0o600);
  }
  for (const { paths, pair } of pairs) {
    write(paths.privateKey, pair.privateKeyPem, 0o600);
    zeroize(pair.privateKeyPem);
    write(paths.certificate, utf8(pair.certificatePem + authorityPem), 0o644);
  }
  write(files.authority.certificate, utf8(authorityPem), 0o644);
}

function toResult(
  { authority, server, clients: pairs }: Files,
  { names, clients }: { readonly names: readonly TlsName[]; readonly clients: readonly TlsClientName[] },
): InitTlsResult {
  return {
    authority,
    server: { ...server, names: names.map(({ text }) => text) },
    clients: clients.map(({ uri }, n) => ({ id: uri, ...pairs[n] })),
    days: TLS_LIMITS.leafDays,
  };
}
