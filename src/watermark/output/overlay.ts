/** The picture of a visible mark, at the size that an image output needs. */
import { WatermarkError } from '../../core/errors.ts';
import { decodeImage, type Pixels } from '../../fidelity/index.ts';
import { openBufferSource } from '../../source/index.ts';
import { type Payload, toShownPayload } from '../payload.ts';
import { toDots } from './font.ts';

/** Red, green and blue times opacity, and opacity, 0 to 1, row by row. */
export interface Overlay {
  readonly height: number;
  readonly width: number;
  /** height × width × 4. */
  readonly values: Float64Array;
}

/**
 * Text, UUID and checksum in the built-in font; a logo as it is in its PNG or JPEG, with the alpha of a PNG.
 * @param room pixels of the place that the mark may take; the overlay keeps its proportions in it
 * @throws WatermarkError WATERMARK_PAYLOAD_MALFORMED; RuntimeError DATA_MALFORMED | DATA_TOO_LARGE for a logo
 */
export function toOverlay(payload: Payload, room: { readonly height: number; readonly width: number }): Overlay {
  const pixels = payload.kind === 'logo' ? decodeLogo(payload) : toTextPixels(toShownPayload(payload));
  const fit = Math.min(room.height / pixels.height, room.width / pixels.width);
  // Letters of whole dots are sharp; where not even one pixel a dot fits, they are shrunk.
  const scale = payload.kind !== 'logo' && fit >= 1 ? Math.floor(fit) : fit;
  const height = Math.max(1, Math.floor(pixels.height * scale));
  const width = Math.max(1, Math.floor(pixels.width * scale));
  return resize(pixels, height, width);
}

function decodeLogo({ bytes }: Payload): Pixels {
  try {
    return decodeImage(openBufferSource('logo', bytes));
  } catch (cause) {
    throw new WatermarkError('WATERMARK_PAYLOAD_MALFORMED', {
      message: 'The logo is neither a PNG nor a JPEG that can be read.',
      fields: { kind: 'logo' },
      cause,
    });
  }
}

function toTextPixels(text: string): Pixels {
  const { height, width, values } = toDots(text);
  const rgba = new Uint8Array(4 * height * width);
  values.forEach((value, i) => {
    rgba.fill(value === 2 ? 255 : 0, 4 * i, 4 * i + 3);
    rgba[4 * i + 3] = value === 0 ? 0 : 255;
  });
  return { height, width, rgba };
}

/** The mean of the area that each pixel covers, colours weighted by alpha. */
function resize({ rgba, ...from }: Pixels, height: number, width: number): Overlay {
  const values = new Float64Array(4 * height * width);
  for (let y = 0; y < height; y++) {
    const rows = toSpan(y, height, from.height);
    for (let x = 0; x < width; x++) {
      const columns = toSpan(x, width, from.width);
      const at = 4 * (y * width + x);
      for (let row = rows.from; row < rows.to; row++) {
        for (let column = columns.from; column < columns.to; column++) {
          const pixel = 4 * (row * from.width + column);
          const alpha = rgba[pixel + 3] / 255;
          for (let c = 0; c < 3; c++) values[at + c] += (alpha * rgba[pixel + c]) / 255;
          values[at + 3] += alpha;
        }
      }
      const count = (rows.to - rows.from) * (columns.to - columns.from);
      for (let c = 0; c < 4; c++) values[at + c] /= count;
    }
  }
  return { height, width, values };
}

function toSpan(index: number, size: number, from: number): { readonly from: number; readonly to: number } {
  const first = Math.floor((index * from) / size);
  return { from: first, to: Math.max(first + 1, Math.floor(((index + 1) * from) / size)) };
}
