/** TFLite models: the FlatBuffer of schema 3, verified while it is read, with its subgraphs, buffers and metadata. */
import type { Graph, Model } from '../../model/types.ts';
import type { ModelFormat } from '../ports.ts';
import { assertApart, readBuffers } from './buffers.ts';
import { TfliteContext } from './context.ts';
import { readExternalBuffers } from './external.ts';
import { MODEL, SIGNATURE, SUBGRAPH, TENSOR_MAP } from './fields.ts';
import type { Table } from './flat.ts';
import { type ReadScope, readOperatorCodes, readSubgraph, TFLITE_DOMAIN } from './graph.ts';
import { readMetadata } from './metadata.ts';
import { toTflitePlan } from './plan.ts';
import { assertNoRecursion } from './recursion.ts';

const VERSION = 3;

export const tfliteFormat: ModelFormat = {
  id: 'tflite',
  isFormat(name, head) {
    if (/\.tflite$/i.test(name)) return true;
    return head.length >= 8 && Buffer.from(head.subarray(4, 8)).toString('latin1') === 'TFL3';
  },
  open({ source, name, folder }) {
    const context = new TfliteContext(name, source, folder);
    try {
      return readModel(context);
    } catch (error) {
      for (const file of context.files.slice(1)) file.source.close();
      throw error;
    }
  },
};

function readModel(context: TfliteContext): Model {
  const { flat, files, tensors } = context;
  const model = flat.root();
  const version = model.int(MODEL.version, 'u32');
  if (version !== VERSION) throw flat.fail('TFLITE_VERSION', model.at, { version });
  model.text(MODEL.description);
  context.buffers = readBuffers(context, model);
  context.external = readExternalBuffers(context, model);
  const scopes = readSubgraphs(context, model);
  const main = scopes.at(0);
  if (main === undefined) throw flat.fail('TFLITE_NO_GRAPH', model.at);
  assertNoRecursion(context, model, scopes);
  const metadata = readMetadata(context, model);
  checkSignatures(context, model, scopes);
  assertApart(flat, context.buffers);
  return {
    format: 'tflite',
    files,
    tensors,
    graph: main.graph,
    functions: toFunctions(scopes),
    opsets: new Map([[TFLITE_DOMAIN, VERSION]]),
    metadata: new Map(metadata.map(({ key, value }) => [key, value])),
    plan: (edits) => toTflitePlan({ context, model, metadata }, edits),
    close() {
      for (const file of files) file.source.close();
    },
  };
}

/** A scope with the path that its tensors' names begin with. */
interface NamedScope extends ReadScope {
  readonly path: string;
}

function readSubgraphs(context: TfliteContext, model: Table): NamedScope[] {
  const codes = readOperatorCodes(context, model);
  const scopes: NamedScope[] = [];
  for (const table of model.tables(MODEL.subgraphs)) {
    const name = table.text(SUBGRAPH.name) ?? '';
    const wanted = name === '' ? `subgraph_${scopes.length}` : name;
    const path = scopes.length === 0 ? '' : context.names.claim(wanted);
    scopes.push({ ...readSubgraph(context, table, codes, path), path });
  }
  return scopes;
}

function toFunctions(scopes: readonly NamedScope[]): Map<string, Graph> {
  return new Map(scopes.slice(1).map(({ path, graph }) => [`${TFLITE_DOMAIN}::${path}`, graph]));
}

/** Signatures name inputs and outputs of a subgraph. @throws FormatError TFLITE_INDEX */
function checkSignatures({ flat }: TfliteContext, model: Table, scopes: readonly ReadScope[]): void {
  for (const signature of model.tables(MODEL.signatureDefs)) {
    const subgraph = signature.int(SIGNATURE.subgraphIndex, 'u32');
    const scope = scopes.at(subgraph);
    if (scope === undefined) throw flat.fail('TFLITE_INDEX', signature.at, { subgraph, subgraphs: scopes.length });
    signature.text(SIGNATURE.key);
    for (const field of [SIGNATURE.inputs, SIGNATURE.outputs]) {
      for (const entry of signature.tables(field)) {
        entry.text(TENSOR_MAP.name);
        const tensor = entry.int(TENSOR_MAP.tensorIndex, 'u32');
        if (tensor >= scope.tensorCount) {
          throw flat.fail('TFLITE_INDEX', entry.at, { tensor, tensors: scope.tensorCount });
        }
      }
    }
  }
}
