/** The asking thread: takes calls, asks the stores, answers. Its own event loop runs while the other thread waits. */
import { workerData } from 'node:worker_threads';
import { ModelwardError, SourceError } from '../../core/errors.ts';
import { parseObjectAddress, type ObjectAddress } from '../../source/object-address.ts';
import type { ObjectClient, ObjectState, Upload } from './client.ts';
import type { Answer, Ask, Call, Outcome, ThreadData } from './messages.ts';

/** A client for the bucket of an address, with its credentials. */
export type ConnectObjects = (address: ObjectAddress) => ObjectClient;

interface OpenObject {
  readonly client: ObjectClient;
  readonly key: string;
  readonly state: ObjectState;
}

type Answered = Extract<Outcome, { ok: true }>['value'];

/** To be called once, in the thread that `openObjectStore` starts. */
export function serveObjects(connect: ConnectObjects): void {
  const { answered, port } = workerData as ThreadData;
  const counter = new Int32Array(answered);
  const work = createWork(connect);
  // The first count says that this thread runs.
  Atomics.add(counter, 0, 1);
  Atomics.notify(counter, 0);
  port.on('message', ({ id, ask }: Call) => {
    void work(ask)
      .then((value): Outcome => ({ ok: true, value }), toFailed)
      .then((outcome) => {
        const bytes = outcome.ok && outcome.value instanceof Uint8Array ? [outcome.value.buffer as ArrayBuffer] : [];
        port.postMessage({ id, outcome } satisfies Answer, bytes);
        Atomics.add(counter, 0, 1);
        Atomics.notify(counter, 0);
      });
  });
}

/** Errors of key services' credentials become the store's own, so that their words fit. */
function toFailed(error: unknown): Outcome {
  if (!(error instanceof ModelwardError)) {
    return { ok: false, internal: error instanceof Error ? error.message : 'not an error' };
  }
  const own =
    error instanceof SourceError
      ? error
      : new SourceError('OBJECT_CREDENTIALS', { fields: { ...error.fields, service: null, reason: error.code } });
  return { ok: false, error: { code: own.code, message: own.message, fields: own.fields } };
}

function createWork(connect: ConnectObjects): (ask: Ask) => Promise<Answered> {
  const objects = new Map<number, OpenObject>();
  const uploads = new Map<number, Upload>();
  const clients = new Map<string, ObjectClient>();
  let handles = 0;
  const toClient = (address: ObjectAddress): ObjectClient => {
    const { scheme, bucket, endpoint, region, profile } = address;
    const name = JSON.stringify([scheme, bucket, endpoint, region, profile]);
    const client = clients.get(name) ?? connect(address);
    clients.set(name, client);
    return client;
  };
  return async (ask) => {
    switch (ask.kind) {
      case 'open': {
        const address = parseObjectAddress(ask.address);
        const client = toClient(address);
        const state = await client.stat(address.key);
        objects.set(++handles, { client, key: address.key, state });
        return { handle: handles, ...state };
      }
      case 'read': {
        const { client, key, state } = objects.get(ask.handle)!;
        return client.read(key, { ...state, start: ask.start, end: ask.end });
      }
      case 'close':
        objects.delete(ask.handle);
        return null;
      case 'upload': {
        const address = parseObjectAddress(ask.address);
        uploads.set(++handles, await toClient(address).upload(address.key, { replace: ask.replace }));
        return { handle: handles, sizeBytes: 0, version: '' };
      }
      case 'part':
        await uploads.get(ask.handle)!.part(ask.number, ask.bytes);
        // The memory goes back, to be filled again.
        return ask.bytes;
      case 'complete':
        await uploads.get(ask.handle)!.complete(ask.number, ask.bytes);
        uploads.delete(ask.handle);
        return null;
      case 'abort':
        await uploads.get(ask.handle)?.abort();
        uploads.delete(ask.handle);
        return null;
    }
  };
}
