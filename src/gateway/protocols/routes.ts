/** Closed tables of paths: what stands in none of their rows is not there. */
import { GATEWAY_LIMITS } from '../../core/limits/gateway.ts';
import type { Call, ProtocolName } from '../ports.ts';
import type { Route } from './ports.ts';

const MODEL = '{model}';
const VERSION = '{version}';

interface Row {
  readonly segments: readonly string[];
  readonly route: Route;
  /** What ends the last segment behind a name, such as `:predict`. */
  readonly suffix: string;
}

/** Finds the row of a path as it was sent. */
export class RouteTable {
  readonly #protocol: ProtocolName;
  readonly #rows: readonly Row[];
  /** Callers ask for the same again and again. */
  #last: { readonly method: string; readonly path: string; readonly call: Call } | null = null;

  constructor(protocol: ProtocolName, routes: readonly Route[]) {
    this.#protocol = protocol;
    this.#rows = routes.map(toRow);
  }

  /** @returns 'method' when only other methods ask for the path; null when nobody does */
  find(method: string, path: string): Call | 'method' | null {
    const last = this.#last;
    if (last !== null && last.path === path && last.method === method) return last.call;
    const call = this.#look(method, path);
    // Nothing of what is not there is kept.
    if (call !== null && call !== 'method') this.#last = { method, path, call };
    return call;
  }

  #look(method: string, path: string): Call | 'method' | null {
    const segments = path.split('/');
    let isOther = false;
    for (const row of this.#rows) {
      if (row.segments.length !== segments.length) continue;
      const call = match(this.#protocol, row, segments);
      if (call === null) continue;
      if (row.route.method === method) return call;
      isOther = true;
    }
    return isOther ? 'method' : null;
  }
}

function toRow(route: Route): Row {
  const segments = route.path.split('/');
  const last = segments[segments.length - 1];
  const end = last.indexOf('}');
  const suffix = end === -1 ? '' : last.slice(end + 1);
  if (suffix !== '') segments[segments.length - 1] = last.slice(0, end + 1);
  return { segments, route, suffix };
}

function match(protocol: ProtocolName, { segments, route, suffix }: Row, given: readonly string[]): Call | null {
  let model: string | null = null;
  let version: string | null = null;
  for (let i = 1; i < segments.length; i++) {
    const segment = segments[i];
    if (segment !== MODEL && segment !== VERSION) {
      if (segment !== given[i]) return null;
      continue;
    }
    const isLast = i === segments.length - 1;
    if (isLast && !given[i].endsWith(suffix)) return null;
    const name = findName(isLast && suffix !== '' ? given[i].slice(0, -suffix.length) : given[i]);
    if (name === null) return null;
    if (segment === MODEL) model = name;
    else version = name;
  }
  return { protocol, kind: route.kind, model, version, route: route.route };
}

/** The name in a segment, decoded; null for what can be no name, above all for ways to other folders. */
function findName(segment: string): string | null {
  let name = segment;
  if (segment.includes('%')) {
    try {
      name = decodeURIComponent(segment);
    } catch {
      return null;
    }
  }
  return isName(name) && !name.includes('/') ? name : null;
}

const NAME = /^[A-Za-z0-9_@+~][A-Za-z0-9_@+~.:,=/-]*$/;

/** Whether a model or version can be called so: 1 to 128 characters, `/` allowed, but no part that is empty, `.` or `..`. */
export function isName(name: string): boolean {
  if (name.length > GATEWAY_LIMITS.nameCharsMax || !NAME.test(name)) return false;
  return !name.includes('/') || name.split('/').every((part) => part !== '' && !part.startsWith('.'));
}

/** The path of `route` for these names, each encoded. */
export function toPath(route: Route, model: string | null, version: string | null): string {
  return route.path
    .replace(MODEL, () => encodeURIComponent(model ?? ''))
    .replace(VERSION, () => encodeURIComponent(version ?? ''));
}
