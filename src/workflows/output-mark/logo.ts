/** SVG logos of visible marks: drawn once, at the size that they will have, and kept in the mark file as PNG. */
import { WATERMARK_LIMITS } from '../../core/limits/watermark.ts';
import { isSvg, type OutputMarkSpec, toDrawableSvg } from '../../watermark/index.ts';
import type { Services } from '../services.ts';

/**
 * The same spec with its logo as PNG where that is an SVG.
 * @throws WatermarkError WATERMARK_SVG_REFUSED | WATERMARK_SVG_FAILED | SVG_RENDERER_MISSING
 */
export async function drawLogo(
  services: Pick<Services, 'openSvgRenderer'>,
  spec: OutputMarkSpec,
): Promise<OutputMarkSpec> {
  if (spec.kind !== 'image' || spec.payload.kind !== 'logo' || !isSvg(spec.payload.bytes)) return spec;
  const svg = toDrawableSvg(spec.payload.bytes);
  const { size, height, width } = spec.params;
  const sideMax = Math.max(1, Math.min(WATERMARK_LIMITS.svgSideMax, Math.ceil(size * Math.max(height, width))));
  const renderer = await services.openSvgRenderer();
  return { ...spec, payload: { kind: 'logo', bytes: await renderer.render(svg, { sideMax }) } };
}
