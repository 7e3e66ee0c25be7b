import { expect, test } from 'vitest';
import { openBytes, runPlan } from '../../../test/formats/models.ts';
import { describeWithShared, sharedData } from '../../../test/shared-data.ts';
import { readTarGz } from '../../../test/tar.ts';
import type { AttributeRecord, GraphDocument, NodeRecord, ScopeRecord } from '../../model/document.ts';
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
