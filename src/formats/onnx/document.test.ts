import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findCode, openBytes, runPlan } from '../../../test/formats/models.ts';
import { arbitraryModel, ODD } from '../../../test/formats/odd-onnx.ts';
import * as P from '../../../test/formats/proto.ts';
import { describeWithShared, sharedData } from '../../../test/shared-data.ts';
import { readTarGz } from '../../../test/tar.ts';
import type { AttributeRecord, GraphDocument, NodeRecord, ScopeRecord } from '../../model/document.ts';
import { toMemoryTensor } from '../../model/tensors.ts';
import type { Model, TensorRef } from '../../model/types.ts';
import { readGraphDocument, toGraphRewrite } from '../graph-document.ts';

/** Every record and list made anew, so that all of them are written and none kept whole. */
function touchAll(document: GraphDocument): GraphDocument {
  return {
    ...document,
    opsets: document.opsets.map((opset) => ({ ...opset })),
    graph: touchScope(document.graph),
    functions: document.functions.map((record) => ({
      ...record,
      attributes: [...record.attributes],
      opsets: record.opsets.map((opset) => ({ ...opset })),
      body: touchScope(record.body),
    })),
  };
}

function touchScope(scope: ScopeRecord): ScopeRecord {
  return {
    ...scope,
    nodes: scope.nodes.map(touchNode),
    inputs: scope.inputs.map((value) => ({ ...value })),
    outputs: scope.outputs.map((value) => ({ ...value })),
    values: scope.values.map((value) => ({ ...value })),
    initializers: scope.initializers.map((initializer) => ({ ...initializer })),
  };
}

function touchNode(node: NodeRecord): NodeRecord {
  const attributes = new Map(Array.from(node.attributes, ([name, attribute]) => [name, touchAttribute(attribute)]));
  return { ...node, inputs: [...node.inputs], outputs: [...node.outputs], attributes };
}

function touchAttribute(attribute: AttributeRecord): AttributeRecord {
  if (attribute.kind === 'graph') return { kind: 'graph', graph: touchScope(attribute.graph) };
  if (attribute.kind === 'graphs') return { kind: 'graphs', graphs: attribute.graphs.map(touchScope) };
  return attribute;
}

describe('odd encodings', () => {
  const readable = ODD.filter(([name]) => name !== 'the graph in two parts');

  test.each(readable)('%s: kept byte for byte when every record is touched', (_, bytes) => {
    const model = openBytes(bytes, 'model.onnx');
    expect(runPlan(toGraphRewrite(model, touchAll(readGraphDocument(model))))).toEqual(bytes);
  });

  test('random ones are kept when every record is touched, and but for the edit when there is one', () => {
    fc.assert(
      fc.property(arbitraryModel, (bytes) => {
        const model = openBytes(bytes, 'model.onnx');
        const document = readGraphDocument(model);
        expect(Buffer.compare(runPlan(toGraphRewrite(model, touchAll(document))), bytes)).toBe(0);
        const added: NodeRecord = {
          ...document.graph.nodes[0],
          name: 'added',
          outputs: ['z'],
          place: null,
          attributes: new Map(),
        };
        const graph = { ...document.graph, nodes: [...document.graph.nodes, added] };
        const grown = openBytes(runPlan(toGraphRewrite(model, { ...document, graph })), 'model.onnx');
        const after = readGraphDocument(grown);
        expect(after.graph.nodes.map(({ name }) => name)).toEqual(['', 'added']);
        const shrunk = { ...after.graph, nodes: after.graph.nodes.slice(0, 1) };
        const back = runPlan(toGraphRewrite(grown, { ...after, graph: shrunk }));
        // Taking the node out again gives the file back, but for the length of the graph, which may have lost its padding.
        expect(withoutGraphLength(back)).toBe(withoutGraphLength(bytes));
      }),
      { numRuns: 300 },
    );
  });
});

test('an edit that would make a file of more than 2 GiB is refused', () => {
  const model = openBytes(P.model(P.join(P.input('x'), P.output('x'))), 'model.onnx');
  const document = readGraphDocument(model);
  const elementCount = 2 ** 31;
  const tensor: TensorRef = {
    ...toMemoryTensor({ name: 'w', dtype: 'u8', shape: [0], bytes: new Uint8Array(0) }),
    shape: [elementCount],
    elementCount,
    byteLength: elementCount,
  };
  const graph = { ...document.graph, initializers: [{ name: 'w', tensor, place: null }] };
  expect(findCode(() => toGraphRewrite(model, { ...document, graph }))).toBe('FORMAT_GRAPH_UNSUPPORTED');
});

test('training graphs and graphs in several parts are refused, other formats have no document', () => {
  const body = P.join(P.input('x'), P.output('x'));
  const open = (...parts: readonly P.Part[]) => openBytes(P.join(P.model(body), ...parts), 'model.onnx');
  const findDocumentCode = (model: Model) => findCode(() => readGraphDocument(model));
  expect(findDocumentCode(open(P.len(20, P.len(1, P.node('Neg', ['x'], ['y'])))))).toBe('FORMAT_GRAPH_UNSUPPORTED');
  expect(findDocumentCode(open(P.len(7, P.node('Neg', ['x'], ['y']))))).toBe('FORMAT_GRAPH_UNSUPPORTED');
  expect(findDocumentCode({ ...open(), format: 'gguf' })).toBe('FORMAT_GRAPH_UNSUPPORTED');
});

/** The file in hex without the length prefix of the graph. */
function withoutGraphLength(bytes: Uint8Array): string {
  const { lengthStart, start } = readGraphDocument(openBytes(bytes, 'model.onnx')).graph.place!;
  return Buffer.concat([bytes.subarray(0, lengthStart), bytes.subarray(start)]).toString('hex');
}

describeWithShared('graph documents of published models', () => {
  test('1,827 models: the document as read, and one with every record touched, give the file byte for byte', () => {
    const different: string[] = [];
    let count = 0;
    for (const { path, bytes } of readTarGz(sharedData('onnx-backend-v1.21.0.tar.gz'))) {
      if (!path.endsWith('.onnx')) continue;
      count++;
      const model = openBytes(bytes, 'model.onnx');
      const document = readGraphDocument(model);
      if (Buffer.compare(runPlan(toGraphRewrite(model, document)), bytes) !== 0) different.push(path);
      if (Buffer.compare(runPlan(toGraphRewrite(model, touchAll(document))), bytes) !== 0)
        different.push(`${path} touched`);
    }
    expect(different).toEqual([]);
    expect(count).toBe(1827);
  });
});
