/** Patches of an image batch as rows of a matrix, and the adjoint that adds rows back. */

/** Sizes of a square-kernel convolution over [batch, height, width, channels]; channels may be a slice of more. */
export interface Windows {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly channelsTotal: number;
  /** The slice of channels that is read: one group. */
  readonly channelFrom: number;
  readonly channels: number;
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly outHeight: number;
  readonly outWidth: number;
}

/** For each kernel line that meets the image: offsets of its first pixel in rows and image, and how many pixels. */
interface Runs {
  readonly rowAt: Int32Array;
  readonly imageAt: Int32Array;
  readonly pixels: Int32Array;
}

/** The runs of one image; all images of a batch share them. */
export function planRuns(w: Windows): Runs {
  const [rowAt, imageAt, pixels]: [number[], number[], number[]] = [[], [], []];
  for (let place = 0; place < w.outHeight * w.outWidth; place += 1) {
    const top = Math.floor(place / w.outWidth) * w.stride - w.padding;
    const left = (place % w.outWidth) * w.stride - w.padding;
    const [from, to] = [Math.max(0, -left), Math.min(w.kernel, w.width - left)];
    for (let ky = 0; ky < w.kernel; ky += 1) {
      const y = top + ky;
      if (y < 0 || y >= w.height || to <= from) continue;
      rowAt.push(((place * w.kernel + ky) * w.kernel + from) * w.channels);
      imageAt.push((y * w.width + left + from) * w.channelsTotal + w.channelFrom);
      pixels.push(to - from);
    }
  }
  return { rowAt: Int32Array.from(rowAt), imageAt: Int32Array.from(imageAt), pixels: Int32Array.from(pixels) };
}

/** Rows [batch · outHeight · outWidth, kernel² · channels]; places outside the image must be zero already. */
export function imageToRows(image: Float32Array, w: Windows, runs: Runs, rows: Float32Array): void {
  const { channels, channelsTotal } = w;
  const imageSize = w.height * w.width * channelsTotal;
  const rowsSize = w.outHeight * w.outWidth * w.kernel * w.kernel * channels;
  for (let item = 0; item < w.batch; item += 1) {
    for (let run = 0; run < runs.pixels.length; run += 1) {
      let to = item * rowsSize + runs.rowAt[run];
      let from = item * imageSize + runs.imageAt[run];
      for (let pixel = runs.pixels[run]; pixel > 0; pixel -= 1, from += channelsTotal, to += channels) {
        for (let c = 0; c < channels; c += 1) rows[to + c] = image[from + c]!;
      }
    }
  }
}

/** Adds every row element to the pixel that it came from. */
export function addRowsToImage(rows: Float32Array, w: Windows, runs: Runs, image: Float32Array): void {
  const { channels, channelsTotal } = w;
  const imageSize = w.height * w.width * channelsTotal;
  const rowsSize = w.outHeight * w.outWidth * w.kernel * w.kernel * channels;
  for (let item = 0; item < w.batch; item += 1) {
    for (let run = 0; run < runs.pixels.length; run += 1) {
      let from = item * rowsSize + runs.rowAt[run];
      let to = item * imageSize + runs.imageAt[run];
      for (let pixel = runs.pixels[run]; pixel > 0; pixel -= 1, to += channelsTotal, from += channels) {
        for (let c = 0; c < channels; c += 1) image[to + c] += rows[from + c];
      }
    }
  }
}
