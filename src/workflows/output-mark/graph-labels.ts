/** Labels in the graph of a model file: written into a copy, read, and taken out of a copy. */
import type { Model } from '../../model/types.ts';
import type { RewritePlan } from '../../source/rewrite.ts';
import {
  findGraphLabel,
  GRAPH_LABEL_KINDS,
  GRAPH_LABEL_STATEMENT,
  type GraphLabelKind,
  KEPT_BY_ONNXRUNTIME,
  type Payload,
  type PayloadKind,
  planGraphLabel,
  planGraphLabelRemoval,
  toShownPayload,
} from '../../watermark/index.ts';
import { openAnyModel, type OpenAnyOptions, openPlainModel } from '../open-model.ts';
import type { Services } from '../services.ts';
import type { Session } from '../session.ts';
import { writeCopy, type WrittenCopy } from '../write-copy.ts';

export interface GraphLabelFileOptions {
  /** Absolute path of the model. */
  readonly path: string;
  readonly kind: GraphLabelKind;
  /** Absolute path of the copy. */
  readonly out: string;
  readonly force: boolean;
  readonly dataRoot?: string | undefined;
}

export interface WrittenGraphLabel {
  readonly labelled: WrittenCopy;
  readonly kind: GraphLabelKind;
  /** Optimisation levels of onnxruntime whose saved graph still has it. */
  readonly keptBy: readonly string[];
  readonly statement: string;
}

/** @throws WorkflowError MODEL_SEALED; WatermarkError WATERMARK_LABEL_…; SurgeryError; FormatError | SourceError */
export function writeGraphLabel(
  services: Services,
  options: GraphLabelFileOptions & { readonly payload: Payload },
): WrittenGraphLabel {
  const { kind, payload } = options;
  const labelled = copy(services, options, (model) => planGraphLabel({ model, kind, payload }));
  return { labelled, kind, keptBy: KEPT_BY_ONNXRUNTIME[kind], statement: GRAPH_LABEL_STATEMENT };
}

/** @throws WorkflowError MODEL_SEALED; WatermarkError WATERMARK_LABEL_ABSENT | WATERMARK_LABEL_DAMAGED; SurgeryError; FormatError | SourceError */
export function removeGraphLabel(services: Services, options: GraphLabelFileOptions): WrittenCopy {
  return copy(services, options, (model) => planGraphLabelRemoval({ model, kind: options.kind }));
}

export interface FoundGraphLabel {
  readonly kind: GraphLabelKind;
  readonly payload: PayloadKind;
  readonly says: string;
}

/** Every label of any kind, in a model plain or sealed. @throws WorkflowError ENVELOPE_NOT_FOUND; SealError; FormatError | SourceError */
export async function readGraphLabels(
  services: Services,
  openSession: () => Session,
  options: OpenAnyOptions,
): Promise<readonly FoundGraphLabel[]> {
  const { model } = await openAnyModel(services, () => openSession().recorder, options);
  try {
    return GRAPH_LABEL_KINDS.flatMap((kind) => {
      const payload = findGraphLabel({ model, kind });
      return payload === undefined ? [] : [{ kind, payload: payload.kind, says: toShownPayload(payload) }];
    });
  } finally {
    model.close();
  }
}

function copy(services: Services, options: GraphLabelFileOptions, toPlan: (model: Model) => RewritePlan): WrittenCopy {
  const model = openPlainModel(options.path, options.dataRoot);
  try {
    return writeCopy(services, options, toPlan(model));
  } finally {
    model.close();
  }
}
