/** The roots of AMD that are compiled in; read on first use. */
import { genoa } from './authorities/genoa.ts';
import { milan } from './authorities/milan.ts';
import { turin } from './authorities/turin.ts';
import { type SnpTrust, toSnpTrust } from './trust.ts';

let pinned: readonly SnpTrust[] | undefined;

/** Milan, Genoa and Turin. */
export function pinnedSnpTrust(): readonly SnpTrust[] {
  return (pinned ??= [milan, genoa, turin].map(toSnpTrust));
}
