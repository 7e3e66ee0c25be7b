/** `modelward inspect --extract`: one tensor as an npy file. */
import { extractTensor, type ExtractTensorResult } from '../../workflows/extract-tensor.ts';
import { type CliContext, withLazySession } from '../context.ts';
import { toPairs } from '../ui/table.ts';
import type { TextLook } from '../ui/ui.ts';
import type { InspectFlags } from './inspect-flags.ts';
import { toSourceOptions } from './model-options.ts';

export async function writeTensor(
  context: CliContext,
  path: string,
  tensor: string,
  flags: InspectFlags,
): Promise<void> {
  const result = await withLazySession(context, (open) =>
    extractTensor(context.services, open, {
      ...toSourceOptions(context, flags, path),
      tensor,
      // Names of tensors come from the file and may hold anything, folders too.
      out: context.toAbsolute(flags.out ?? `${tensor.replace(/[^\w.-]+/g, '_').replace(/^\.+/, '_')}.npy`),
      force: flags.force ?? false,
    }),
  );
  context.ui.result(result, (look) => toText(result, look));
}

function toText({ path, tensor, dtype, npyDtype, shape, note }: ExtractTensorResult, { style }: TextLook): string {
  return toPairs(
    [
      ['tensor', `${tensor}: ${dtype}[${shape.join(', ')}]`],
      ['written', `${path} as ${npyDtype}`],
      ...(note === null ? [] : [['note', note] as [string, string]]),
    ],
    style,
  );
}
