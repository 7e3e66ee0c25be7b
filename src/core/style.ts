/** Colours for a terminal, or none (no-color.org). */

export interface Style {
  readonly isColor: boolean;
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
  cyan(text: string): string;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** A style that writes SGR codes when `isColor`, and else returns texts as they are. */
export function createStyle(isColor: boolean): Style {
  const paint =
    (open: number, close: number) =>
    (text: string): string =>
      isColor && text !== '' ? `\u001b[${open}m${text}\u001b[${close}m` : text;
  return {
    isColor,
    bold: paint(1, 22),
    dim: paint(2, 22),
    red: paint(31, 39),
    green: paint(32, 39),
    yellow: paint(33, 39),
    cyan: paint(36, 39),
  };
}

/** True when a stream should be coloured: NO_COLOR wins, then FORCE_COLOR, then whether it is a terminal that can. */
export function isColorWanted(env: Environment, isTty: boolean): boolean {
  if ((env.NO_COLOR ?? '') !== '') return false;
  if ((env.FORCE_COLOR ?? '') !== '') return env.FORCE_COLOR !== '0';
  return isTty && env.TERM !== 'dumb';
}

/** True when the locale can show more than ASCII; POSIX order: LC_ALL, LC_CTYPE, LANG. Windows terminals can. */
export function isUnicodeWanted(env: Environment, platform: string): boolean {
  if (platform === 'win32') return true;
  const locale = [env.LC_ALL, env.LC_CTYPE, env.LANG].find((value) => value !== undefined && value !== '');
  return locale !== undefined && /utf-?8/i.test(locale);
}
