/** Where a listener is, and how it is covered. */
import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import { path } from './words.ts';

const tls = z.strictObject({
  /** PEM: the certificate of the server, then those above it; and its key, not encrypted. */
  cert: path,
  key: path,
  clientCertificates: z.enum(['none', 'optional', 'required']).default('none'),
  /** PEM: authorities of client certificates, and their revocation lists. */
  clientAuthorities: path.optional(),
  revocations: path.optional(),
});

export const listenSchema = z.strictObject({
  host: z.string().min(1).max(255).default('127.0.0.1'),
  port: z.int().min(0).max(65_535).default(8443),
  /** Without it the gateway speaks plaintext, and on loopback alone. */
  tls: tls.optional(),
});

/** @throws GatewayError GATEWAY_CONFIG_EXPOSED | GATEWAY_CONFIG_MALFORMED */
export function assertCovered({ host, tls: files }: z.infer<typeof listenSchema>): void {
  if (files === undefined && !isLoopback(host)) throw new GatewayError('GATEWAY_CONFIG_EXPOSED', { fields: { host } });
  const asksClients = files !== undefined && files.clientCertificates !== 'none';
  if (asksClients && files.clientAuthorities === undefined) {
    throw new GatewayError('GATEWAY_CONFIG_MALFORMED', { fields: { at: ['listen.tls.clientAuthorities: missing'] } });
  }
}

/** Addresses that no other machine reaches; names are not looked up, but for this one. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}
