/** The port through which a claim's seed is sealed under the owner key. */
import type { Json } from '../core/canonical-json.ts';

/**
 * Seals seeds under the owner key, never under a key that opens weights. An implementer must authenticate `aad`, must
 * make a fresh nonce per call, and must throw its area's coded error when a box does not open.
 */
export interface SeedBox {
  /** @param seed 32 bytes; the implementer must not keep it */
  sealSeed(seed: Uint8Array, aad: Uint8Array): Json;
  /** The sealed bytes; the caller zeroes them. */
  openSeed(box: Json, aad: Uint8Array): Uint8Array;
}

/**
 * Draws SVG. An implementer must read no file and open no connection for what the SVG names, must bound time and memory, and
 * is only given text that `toDrawableSvg` has passed.
 */
export interface SvgRenderer {
  /**
   * @param sideMax pixels of the longer side of the picture
   * @returns a PNG with alpha
   * @throws WatermarkError WATERMARK_SVG_FAILED when it cannot be drawn, or not within its limits
   */
  render(svg: string, options: { readonly sideMax: number }): Promise<Uint8Array>;
}
