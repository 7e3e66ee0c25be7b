/** The stores behind the port: one thread asks for all of them. */
import { parseObjectAddress, toObjectName, toObjectText, toPrefix, toSibling } from '../../source/object-address.ts';
import type { ByteSource, ObjectStore } from '../../source/ports.ts';
import type { Told } from './messages.ts';
import { openObjectSource } from './source.ts';
import { stageParts, toPartBytes } from './staged.ts';
import { createAskingThread } from './thread.ts';

/** @param options.threadPath absolute path of a script that calls `serveObjects` */
export function openObjectStore({ threadPath }: { readonly threadPath: string }): ObjectStore {
  const thread = createAskingThread(threadPath);
  const open = (text: string, label: string): ByteSource => {
    const told = thread.wait(thread.send({ kind: 'open', address: text })) as Told;
    return openObjectSource(thread, label, told);
  };
  return {
    open: (text) => open(text, toObjectName(parseObjectAddress(text))),
    openFolder: (text) => {
      const address = parseObjectAddress(text);
      return {
        label: toPrefix(address.key).split('/').at(-2) ?? address.bucket,
        open: (name) => open(toObjectText(toSibling(address, name)), name),
      };
    },
    stage: (text, { replace, sizeBytes }) => {
      const label = toObjectName(parseObjectAddress(text));
      toPartBytes(sizeBytes, label);
      const { handle } = thread.wait(thread.send({ kind: 'upload', address: text, replace })) as Told;
      return stageParts(thread, { handle, label, sizeBytes });
    },
  };
}
