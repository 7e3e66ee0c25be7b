/** The originals that claims are read with: the one named, else where the claims' notes say; each is read once for all claims. */
import { dirname } from 'node:path';
import { ModelwardError } from '../core/errors.ts';
import { openModelPath } from '../formats/index.ts';
import { checkReference, isReferenceOf, type Reference, toReference } from '../watermark/reference.ts';
import { findNotes, type StoredClaim } from './claims.ts';
import type { Services } from './services.ts';

export interface OriginalsOptions {
  readonly claims: readonly StoredClaim[];
  /** Absolute path of the unmarked original; the places noted with the claims are tried without it. */
  readonly originalPath?: string | undefined;
  readonly dataRoot?: string | undefined;
}

export interface Originals {
  /** How to get at the original of a claim when it is needed; undefined when no place is known. */
  offer(stored: StoredClaim): (() => Reference | undefined) | undefined;
  close(): void;
}

/**
 * @throws FormatError | SourceError for the original that was named; AlignError ALIGN_REFERENCE_REFUSED when no claim
 *   commits to it
 */
export function openOriginals(services: Services, options: OriginalsOptions): Originals {
  const { originalPath } = options;
  return originalPath === undefined
    ? openNotedOriginals(services)
    : openNamedOriginal(services, { ...options, originalPath });
}

/** Read at once: a wrong file is told even where no claim would need it. */
function openNamedOriginal(
  { progress }: Services,
  { claims, originalPath, dataRoot }: OriginalsOptions & { readonly originalPath: string },
): Originals {
  const model = openModelPath(originalPath, { dataRoot });
  const close = (): void => {
    model.close();
  };
  try {
    const reference = toReference(model, progress);
    if (!claims.some(({ claim }) => isReferenceOf(reference, claim))) checkReference(reference, claims[0].claim);
    return { offer: ({ claim }) => (isReferenceOf(reference, claim) ? () => reference : undefined), close };
  } catch (error) {
    close();
    throw error;
  }
}

/** Opened when asked for; a stale note is no error. */
function openNotedOriginals(services: Services): Originals {
  const opened = new Map<string, Reference | undefined>();
  const open = (path: string): Reference | undefined => {
    if (!opened.has(path)) opened.set(path, openNoted(path, services));
    return opened.get(path);
  };
  return {
    offer: (stored) => {
      const path = findNotes(services, stored.path)?.originalPath;
      if (path === undefined || !services.storage.exists(path)) return undefined;
      return () => {
        const reference = open(path);
        return reference !== undefined && isReferenceOf(reference, stored.claim) ? reference : undefined;
      };
    },
    close: () => {
      for (const reference of opened.values()) reference?.model.close();
    },
  };
}

function openNoted(path: string, { progress }: Services): Reference | undefined {
  try {
    const model = openModelPath(path, { dataRoot: dirname(path) });
    try {
      return toReference(model, progress);
    } catch (error) {
      model.close();
      throw error;
    }
  } catch (error) {
    if (error instanceof ModelwardError) return undefined;
    throw error;
  }
}
