/** Folds the constants of a model file into a copy. */
import { foldConstants, type FoldReport } from '../../surgery/index.ts';
import { openPlainModel } from '../open-model.ts';
import type { Services } from '../services.ts';
import { type EditFileOptions, type EditFileResult, writeEdit } from './edit-file.ts';

export interface FoldFileResult extends EditFileResult {
  readonly fold: FoldReport;
}

/**
 * @param options.runs false keeps to shape arithmetic and small elementwise work, which need no runtime
 * @throws FormatError FORMAT_GRAPH_UNSUPPORTED; RuntimeError RUNTIME_UNAVAILABLE; SurgeryError SURGERY_INVALID; SourceError
 */
export async function foldFile(
  services: Services,
  options: EditFileOptions & { readonly runs: boolean },
): Promise<FoldFileResult> {
  const model = openPlainModel(options.path, options.dataRoot);
  try {
    const { edit, report } = await foldConstants(model, options.runs ? { runtime: await services.openRuntime() } : {});
    return { ...writeEdit(services, options, edit), fold: report };
  } finally {
    model.close();
  }
}
