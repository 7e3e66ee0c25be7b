/** Names of resources: `<repository>/<type>/<tag>`, compared byte for byte. They never become a path. */
import { BROKER_LIMITS } from '../core/limits/broker.ts';

// No "%": what is escaped is another name, not the same one; no leading ".": neither "." nor "..".
const PART = new RegExp(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,${BROKER_LIMITS.resourcePartCharsMax - 1}}$`);

/** The name when it is well-formed. */
export function findResourceName(text: string): string | undefined {
  const parts = text.split('/');
  return parts.length === 3 && parts.every((part) => PART.test(part)) ? text : undefined;
}
