/** ONNX models: ModelProto read by spans, with its graph, functions, training graphs and external data. */
import { findSafeInt } from './varint.ts';
import { type Fields, type Frame, WIRE } from './wire.ts';
import type { Graph, Model } from '../../model/types.ts';
import type { ModelFormat } from '../ports.ts';
import { type ExternalFiles, isBytes, isVarint, OnnxContext } from './context.ts';
import { assertNoRecursion, type FunctionTable, readFunction, toFunctionTable } from './functions.ts';
import { readGraph, toDomain } from './graph.ts';
import { OnnxModel } from './layout.ts';
import { METADATA_NUMBER, type MetadataEntry, toOnnxPlan } from './plan.ts';
import { readEntry } from './entry.ts';

export const onnxFormat: ModelFormat = {
  id: 'onnx',
  isFormat(name, head) {
    if (/\.onnx$/i.test(name)) return true;
    // ir_version, a small number, is what exporters write first; then comes another field of ModelProto.
    return head.length > 2 && head[0] === 0x08 && head[1] > 0 && head[1] < 32 && (head[2] & 7) === WIRE.bytes;
  },
  open(options) {
    const { source, name, folder } = options;
    const external: ExternalFiles = { files: [{ name, source }], byName: new Map([[name, 0]]) };
    try {
      return readModel(new OnnxContext(source, folder, external));
    } catch (error) {
      for (const file of external.files.slice(1)) file.source.close();
      throw error;
    }
  },
};

/** ModelProto while it is read. */
interface ModelDraft {
  readonly graphParts: Frame[];
  readonly functions: FunctionTable;
  readonly opsets: Map<string, number>;
  readonly metadata: MetadataEntry[];
  trainings: number;
}

function readModel(context: OnnxContext): Model {
  const root = context.reader.toRoot();
  const draft: ModelDraft = {
    graphParts: [],
    functions: toFunctionTable(),
    opsets: new Map(),
    metadata: [],
    trainings: 0,
  };
  readModelFields(context, root, draft);
  if (draft.graphParts.length === 0) throw context.reader.fail('ONNX_NO_GRAPH', 0);
  const graph: Graph = readGraph(context, draft.graphParts, '');
  readNestedFields(context, root, draft);
  assertNoRecursion(context, draft.functions);
  const { files } = context.external;
  const placed = context.placed.sort((a, b) => a.at - b.at);
  const tensors = placed.map(({ tensor }) => tensor);
  const { metadata } = draft;
  return new OnnxModel(
    {
      files,
      tensors,
      graph,
      functions: draft.functions.graphs,
      opsets: draft.opsets,
      metadata: new Map(metadata.map(({ key, value }) => [key, value])),
      plan: (edits) => toOnnxPlan({ files, root, tensors, placed, metadata }, edits),
    },
    { context, root, trainings: draft.trainings, document: null, tensorPlaces: null },
  );
}

function readModelFields(context: OnnxContext, root: Frame, draft: ModelDraft): void {
  const fields = context.reader.walk(root);
  while (fields.next()) {
    if (isBytes(fields, 7)) draft.graphParts.push(context.toInnerFrame(fields));
    else if (isBytes(fields, 8)) readOpset(context, context.enter(fields), draft.opsets);
    else if (isBytes(fields, METADATA_NUMBER)) {
      const { tagStart: start, end } = fields;
      const [key, value] = readEntry(context, context.enter(fields));
      draft.metadata.push({ key, value, start, end });
    }
  }
}

/** What is read after the graph, so that the main graph gets the plain names. */
function readNestedFields(context: OnnxContext, root: Frame, draft: ModelDraft): void {
  const fields = context.reader.walk(root);
  while (fields.next()) {
    if (isBytes(fields, 20)) readTraining(context, context.enter(fields), draft.trainings++);
    else if (isBytes(fields, 25)) readFunction(context, context.toInnerFrame(fields), draft.functions);
  }
}

/** OperatorSetIdProto. @throws FormatError ONNX_OPSET */
function readOpset(context: OnnxContext, fields: Fields, into: Map<string, number>): void {
  const at = fields.end;
  let domain = '';
  let version = 0;
  while (fields.next()) {
    if (isBytes(fields, 1)) domain = toDomain(context.text(fields));
    else if (isVarint(fields, 2)) version = findSafeInt(fields.low, fields.high) ?? -1;
  }
  const known = into.get(domain);
  if (known !== undefined && known !== version) {
    throw context.reader.fail('ONNX_OPSET', at, { domain, versions: [known, version] });
  }
  into.set(domain, version);
}

/** TrainingInfoProto: two graphs, of which runtimes run neither, but whose tensors are tensors of the file. */
function readTraining(context: OnnxContext, fields: Fields, index: number): void {
  const initialization: Frame[] = [];
  const algorithm: Frame[] = [];
  while (fields.next()) {
    if (isBytes(fields, 1)) initialization.push(context.toInnerFrame(fields));
    else if (isBytes(fields, 2)) algorithm.push(context.toInnerFrame(fields));
  }
  if (initialization.length > 0) readGraph(context, initialization, `training_info[${index}].initialization`);
  if (algorithm.length > 0) readGraph(context, algorithm, `training_info[${index}].algorithm`);
}
