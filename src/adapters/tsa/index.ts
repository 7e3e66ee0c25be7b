/** Timestamp authorities (RFC 3161). */
export { httpTimestampAuthority } from './http.ts';
