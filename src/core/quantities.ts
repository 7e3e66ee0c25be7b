/** Numbers with a unit as people read them: bytes, durations, counts, percentages. No locale: output is the same everywhere. */

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** "512 B", "1.50 KiB", "12.3 MiB", "980 GiB": three significant digits, binary units. */
export function toByteText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // 1023.5 would print as "1024": it belongs to the next unit already.
  while (value >= 1023.5 && unit < BYTE_UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const text = unit === 0 ? String(Math.round(value)) : toSignificantText(value);
  return `${text} ${BYTE_UNITS[unit]}`;
}

/** "0.8 ms", "340 ms", "1.2 s", "3 min 05 s", "2 h 07 min". */
export function toDurationText(ms: number): string {
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 999.5) return `${ms.toFixed(0)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${pad2(seconds % 60)} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${pad2(minutes % 60)} min`;
}

/** "39,568": groups of three. */
export function toCountText(count: number): string {
  return Math.round(count)
    .toString()
    .replace(/\B(?=(\d{3})+(?!\d))/g, ',');
}

/** "12.3 %" of a fraction; `digits` after the point. */
export function toPercentText(fraction: number, digits = 1): string {
  return `${(fraction * 100).toFixed(digits)} %`;
}

/** Three significant digits without an exponent, for values in [0, 1024). */
function toSignificantText(value: number): string {
  if (value < 9.995) return value.toFixed(2);
  return value < 99.95 ? value.toFixed(1) : value.toFixed(0);
}

function pad2(value: number): string {
  return String(value).padStart(2, '0');
}

/**
 * "0.0051 %", "4.8 %": two significant digits below one percent, so that a small change does not read as none. Null is
 * "not comparable".
 */
export function toSmallPercentText(fraction: number | null): string {
  if (fraction === null) return 'not comparable';
  const percent = fraction * 100;
  if (percent === 0) return '0 %';
  if (percent >= 1) return `${percent.toFixed(1)} %`;
  if (percent < 1e-6) return `${percent.toExponential(1).replace('-', '−')} %`;
  return `${Number(percent.toPrecision(2)).toString()} %`;
}
