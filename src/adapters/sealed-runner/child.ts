/** The child's side: opens one seal, hands its plaintext to a runtime, wipes its own copy, serves runs, ends. */
import { type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net';
import { zeroize } from '../../core/bytes.ts';
import { SealError } from '../../core/errors.ts';
import type { Runtime, RuntimeSession } from '../../model/runtime.ts';
import type { OpenPlaintext } from './in-process.ts';
import { createFrameReceiver, type Frame, sendFrame } from './frames.ts';
import {
  type Answer,
  decodeValues,
  encodeValues,
  findMessage,
  type Request,
  requestSchema,
  toFailure,
} from './messages.ts';

/** The file descriptor that the parent gives as pipe. */
export const PIPE_FD = 3;
const READ_BYTES = 64 * 1024;

export interface ChildServices {
  readonly openPlaintext: OpenPlaintext;
  openRuntime(): Promise<Runtime>;
}

/**
 * Serves one parent until it releases the model, closes the pipe, or dies; then the process exits, and the system takes
 * back every page that held plaintext.
 */
export function serveSealedModel(services: ChildServices): void {
  // A listener keeps the signal from starting the inspector, which would show the heap to any local user's debugger.
  process.on('SIGUSR1', () => undefined);
  // Ctrl-C, a terminal that closes and a service that is stopped reach all processes: the parent ends this one when it is done with it.
  for (const signal of ['SIGINT', 'SIGHUP', 'SIGTERM'] as const) process.on(signal, () => undefined);
  let session: RuntimeSession | undefined;
  let queue = Promise.resolve();

  const answer = async (request: Request, payload: Uint8Array): Promise<{ head: Answer; payload?: Uint8Array }> => {
    const { id } = request;
    if (request.kind === 'load') {
      const loaded = await load(services, request.sealedPath, payload);
      session = loaded.session;
      const { runtime } = loaded;
      const { inputs, outputs } = session;
      return { head: { kind: 'loaded', id, runtime, inputs, outputs } };
    }
    if (session === undefined) throw new SealError('SEALED_CHILD_FAILED', { fields: { fault: 'nothing loaded' } });
    if (request.kind === 'run') {
      const { heads, payload: values } = encodeValues(await session.run(decodeValues(request.feeds, payload)));
      return { head: { kind: 'ran', id, values: heads }, payload: values };
    }
    await session.release();
    return { head: { kind: 'released', id } };
  };

  const handle = async (frame: Frame): Promise<void> => {
    const request = findMessage(requestSchema, frame);
    if (request === undefined) process.exit(1);
    try {
      const { head, payload } = await answer(request, frame.payload);
      await sendFrame(pipe, head, payload);
    } catch (error) {
      await sendFrame(pipe, toFailure(request.id, error));
    } finally {
      zeroize(frame.payload);
    }
    if (request.kind === 'release') pipe.end();
  };

  const receive = createFrameReceiver({
    onFrame: (frame) => {
      queue = queue.then(() => handle(frame)).catch(() => process.exit(1));
    },
    onBroken: () => process.exit(1),
  });
  const pipe = openPipe(receive);
}

/** The pipe to the parent; its end, or any error of it, ends this process. */
function openPipe(receive: (chunk: Uint8Array) => void): Socket {
  const options: SocketConstructorOpts & { onread: OnReadOpts } = {
    fd: PIPE_FD,
    readable: true,
    writable: true,
    // One buffer of our own, wiped by the receiver: the stream's own buffers are freed with the key still in them.
    onread: {
      buffer: new Uint8Array(READ_BYTES),
      callback: (length, buffer) => {
        receive(buffer.subarray(0, length));
        return true;
      },
    },
  };
  const pipe = new Socket(options);
  pipe.on('error', () => process.exit(0));
  pipe.on('close', () => process.exit(0));
  return pipe;
}

async function load(
  services: ChildServices,
  sealedPath: string,
  dek: Uint8Array,
): Promise<{ session: RuntimeSession; runtime: { id: string; version: string } }> {
  const runtime = await services.openRuntime();
  const plaintext = services.openPlaintext({ sealedPath, dek });
  try {
    const session = await runtime.load(plaintext.model);
    return { session, runtime: { id: runtime.id, version: runtime.version } };
  } finally {
    plaintext.wipe();
    zeroize(dek);
  }
}
