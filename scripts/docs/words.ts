/** Words that the product does not use: promises that nobody can keep, and hosts that a lock file must not pin. */
import type { Problem } from './problem.ts';

/** Promises that no watermark, seal or ledger can keep; the limits are in LIMITATIONS.md. */
const PROMISES: readonly RegExp[] = [
  /(?<!not |cannot |never |nothing |n't )\bprevents?\s+(?:\w+\s+)?(?:theft|stealing|extraction|copying)/i,
  /\bunbreakable\b|\bunhackable\b|\buncrackable\b|\bfool-?proof\b|\bbullet-?proof\b|\btamper-?proof\b/i,
  /\bforensic[- ]grade\b|\bmilitary[- ]grade\b|\bbank[- ]grade\b/i,
  /\b(?:impossible|cannot|can't|can not|never)\b[^.\n]{0,20}\b(?:be\s+)?(?:removed?|erased?|forged?|stolen|broken)\b/i,
  /\b(?:guarantees?|guaranteed|100\s?%)\s+(?:\w+\s+)?(?:secure|security|protection|detection|proof)\b/i,
  /\b(?:legally\s+binding|admissible\s+in\s+court|court-?proof)\b/i,
];

const HOSTS: readonly string[] = [
  ['registry', 'npmjs', 'org'],
  ['registry', 'yarnpkg', 'com'],
  ['files', 'pythonhosted', 'org'],
  ['pypi', 'org'],
  ['proxy', 'golang', 'org'],
  ['deb', 'debian', 'org'],
].map((parts) => parts.join('.'));

/** Promises in `text` that the product must not make. */
export function findPromises(file: string, text: string): Problem[] {
  return PROMISES.flatMap((pattern) => {
    const found = pattern.exec(text.replaceAll(/\s+/g, ' '))?.[0];
    return found === undefined ? [] : [{ file, text: `promises too much: "${found}"` }];
  });
}

/** Names of package registries in `text`: users have mirrors, and a pinned host would bypass them. */
export function findRegistryHosts(file: string, text: string): Problem[] {
  return HOSTS.filter((host) => text.includes(host)).map((host) => ({ file, text: `names the registry host ${host}` }));
}
