/** Draws straight strokes with soft edges on a small square canvas. */

/** A line between two points, in pixels; pixel centres have whole coordinates. */
export interface Stroke {
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
}

export interface Pen {
  /** Width and height of the canvas, in pixels. */
  readonly side: number;
  /** Half the line's width, in pixels. */
  readonly radius: number;
}

function squaredDistance({ x0, y0, x1, y1 }: Stroke, x: number, y: number): number {
  const [dx, dy] = [x1 - x0, y1 - y0];
  const along = ((x - x0) * dx + (y - y0) * dy) / Math.max(dx * dx + dy * dy, 1e-9);
  const t = Math.min(1, Math.max(0, along));
  return (x - x0 - t * dx) ** 2 + (y - y0 - t * dy) ** 2;
}

/** Fills `canvas` [side, side] with ink in [0, 1]: full inside the pen's radius, none one pixel further out. */
export function drawStrokes(strokes: readonly Stroke[], { side, radius }: Pen, canvas: Float64Array): void {
  for (let at = 0; at < canvas.length; at += 1) {
    const [x, y] = [at % side, Math.floor(at / side)];
    let nearest = Infinity;
    for (const stroke of strokes) nearest = Math.min(nearest, squaredDistance(stroke, x, y));
    canvas[at] = Math.min(1, Math.max(0, 1 + radius - Math.sqrt(nearest)));
  }
}
