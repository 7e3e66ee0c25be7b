/** Which elements of a large tensor are looked at: runs spread over all of it, always the same (docs/spec/lineage.md §2). */

const RUN_ELEMENTS = 256;
/** Block types need whole blocks; the largest have 256 elements. */
const ALIGN_ELEMENTS = 256;
const GOLDEN = (Math.sqrt(5) - 1) / 2;

/** All places when there are at most `max`; else runs of 256, evenly spread with offsets that no row length repeats. */
export function samplePlaces(elementCount: number, max: number): Float64Array {
  if (elementCount <= max) return Float64Array.from({ length: elementCount }, (_, i) => i);
  const runs = Math.max(1, Math.floor(max / RUN_ELEMENTS));
  const places = new Float64Array(runs * RUN_ELEMENTS);
  for (let run = 0; run < runs; run++) {
    const share = (run + ((run * GOLDEN) % 1)) / runs;
    const start = Math.floor((share * (elementCount - RUN_ELEMENTS)) / ALIGN_ELEMENTS) * ALIGN_ELEMENTS;
    for (let i = 0; i < RUN_ELEMENTS; i++) places[run * RUN_ELEMENTS + i] = start + i;
  }
  return places;
}

/** {@link samplePlaces} that keeps the last answers: layers of one size are sampled alike, and large models have hundreds. */
export function createSampler(): typeof samplePlaces {
  const known = new Map<string, Float64Array>();
  return (elementCount, max) => {
    const key = `${elementCount} ${max}`;
    const places = known.get(key) ?? samplePlaces(elementCount, max);
    known.delete(key);
    known.set(key, places);
    for (const oldest of known.keys()) if (known.size > KEPT) known.delete(oldest);
    return places;
  };
}

/** Half a megabyte each at most. */
const KEPT = 8;

/** `count` of [0, length), evenly spread and ascending. */
export function spreadIndices(length: number, count: number): Int32Array {
  const kept = Math.min(length, count);
  return Int32Array.from({ length: kept }, (_, i) => Math.floor((i * length) / kept));
}
