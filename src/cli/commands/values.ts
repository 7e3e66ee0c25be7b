/** What values of options have to be; commander tells the refusal together with the option. */
import { InvalidArgumentError } from 'commander';

/** @throws InvalidArgumentError */
export function toNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < 0)
    throw new InvalidArgumentError('Not a number from 0.');
  return value;
}

/** Takes numbers above 0, up to `max`. */
export function toPositiveUpTo(max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isFinite(value) && value > 0 && value <= max) return value;
    throw new InvalidArgumentError(`Not a number above 0${max === Infinity ? '' : `, up to ${max}`}.`);
  };
}

/** Takes numbers from 0 to 1. @throws InvalidArgumentError */
export function toShare(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 1)) throw new InvalidArgumentError('Not a number from 0 to 1.');
  return value;
}

/** Takes whole numbers from 1 to `max`. */
export function toCountUpTo(max: number): (text: string) => number {
  return toCountWithin(1, max);
}

/** Takes whole numbers from `min` to `max`. */
export function toCountWithin(min: number, max: number): (text: string) => number {
  return (text) => {
    const count = Number(text);
    if (Number.isInteger(count) && count >= min && count <= max) return count;
    throw new InvalidArgumentError(`Not a whole number from ${min} to ${max}.`);
  };
}

export interface PictureSize {
  readonly width: number;
  readonly height: number;
}

/** "640x480". @throws InvalidArgumentError */
export function toSize(text: string): PictureSize {
  const match = /^(\d{1,6})x(\d{1,6})$/.exec(text);
  if (match === null) throw new InvalidArgumentError('Not a size such as 640x480.');
  return { width: Number(match[1]), height: Number(match[2]) };
}

/** @throws InvalidArgumentError for anything but http and https, and for a password, which would end up in logs */
export function toHttpUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isHttp = url?.protocol === 'http:' || url?.protocol === 'https:';
  if (!isHttp || url.username !== '' || url.password !== '') throw new InvalidArgumentError('Not an http(s) URL.');
  return text;
}

/** A date that can be read, as ISO 8601. @throws InvalidArgumentError */
export function toDate(text: string): string {
  const time = Date.parse(text);
  if (!/^\d{4}-\d\d-\d\d/.test(text) || Number.isNaN(time))
    throw new InvalidArgumentError('Not a date such as 2026-01-31.');
  return new Date(time).toISOString();
}
