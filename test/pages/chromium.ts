/** A real browser for tests of pages: Chromium driven over its debugging pipe (null-separated JSON), no package needed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';

type Json = Record<string, unknown>;

export interface BrowserEvent {
  readonly method: string;
  readonly params: Json;
}

export interface BrowserPage {
  send(method: string, params?: Json): Promise<Json>;
  /** Every event of the page so far, oldest first. */
  readonly events: readonly BrowserEvent[];
  /** Loads a URL and waits for its load event. */
  open(url: string): Promise<void>;
  /** The value of an expression inside the page; it must be JSON. */
  evaluate(expression: string): Promise<unknown>;
}

export interface Browser {
  newPage(): Promise<BrowserPage>;
  close(): Promise<void>;
}

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-dev-shm-usage',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-extensions',
  '--remote-debugging-pipe',
];

/** Starts Chromium with an empty profile of its own. */
export async function startBrowser(): Promise<Browser> {
  const profile = mkdtempSync(join(tmpdir(), 'chromium-'));
  const child = spawn('chromium', [...FLAGS, `--user-data-dir=${profile}`, 'about:blank'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
  });
  const connection = createConnection(child);
  await connection.send('Browser.getVersion');
  return {
    newPage: () => createPage(connection),
    async close() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      await connection.send('Browser.close').catch(() => undefined);
      await ended;
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

interface Connection {
  send(method: string, params?: Json, sessionId?: string): Promise<Json>;
  listen(sessionId: string, listener: (event: BrowserEvent) => void): void;
}

function createConnection(child: ChildProcess): Connection {
  const [toBrowser, fromBrowser] = [child.stdio[3] as Writable, child.stdio[4] as Readable];
  const waiting = new Map<number, { resolve: (result: Json) => void; reject: (error: Error) => void }>();
  const listeners = new Map<string, (event: BrowserEvent) => void>();
  let lastId = 0;
  let rest = '';
  fromBrowser.setEncoding('utf8');
  fromBrowser.on('data', (chunk: string) => {
    const messages = (rest + chunk).split('\0');
    rest = messages.pop() ?? '';
    for (const text of messages) receive(JSON.parse(text) as Json);
  });
  child.once('exit', () => {
    for (const { reject } of waiting.values()) reject(new Error('the browser ended'));
  });

  function receive(message: Json): void {
    if (typeof message.id !== 'number') {
      listeners.get(String(message.sessionId))?.(message as unknown as BrowserEvent);
      return;
    }
    const waiter = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.error === undefined) waiter?.resolve(message.result as Json);
    else waiter?.reject(new Error(JSON.stringify(message.error)));
  }

  return {
    send(method, params = {}, sessionId) {
      lastId += 1;
      const id = lastId;
      toBrowser.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
      return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
    },
    listen: (sessionId, listener) => {
      listeners.set(sessionId, listener);
    },
  };
}

async function createPage(connection: Connection): Promise<BrowserPage> {
  const { targetId } = await connection.send('Target.createTarget', { url: 'about:blank' });
  const { sessionId } = await connection.send('Target.attachToTarget', { targetId, flatten: true });
  const session = String(sessionId);
  const events: BrowserEvent[] = [];
  let onLoad: (() => void) | undefined;
  connection.listen(session, (event) => {
    events.push(event);
    if (event.method === 'Page.loadEventFired') onLoad?.();
  });
  const send = (method: string, params?: Json): Promise<Json> => connection.send(method, params, session);
  for (const domain of ['Page', 'Network', 'Runtime', 'Log']) await send(`${domain}.enable`);
  return {
    send,
    events,
    async open(url) {
      const loaded = new Promise<void>((resolve) => (onLoad = resolve));
      await send('Page.navigate', { url });
      await loaded;
    },
    async evaluate(expression) {
      const { result, exceptionDetails } = await send('Runtime.evaluate', { expression, returnByValue: true });
      if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
      return (result as Json).value;
    },
  };
}
