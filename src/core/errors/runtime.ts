/** Error codes of the runtimes, of evaluation data and of the fidelity measurement. */
import { defineErrors, EXIT } from './table.ts';

export const runtimeErrors = defineErrors({
  RUNTIME_UNAVAILABLE: {
    message: 'No runtime that can run models could be loaded.',
    exit: EXIT.environment,
    http: 503,
    fix: 'Run `npm install` again; `npm install onnxruntime-node@1.30.0` adds the faster native runtime.',
  },
  RUNTIME_TELEMETRY_ON: {
    message: 'The runtime was not loaded, because its telemetry could not be switched off.',
    exit: EXIT.environment,
    http: 503,
    fix: 'Set ORT_DISABLE_TELEMETRY=1 in the process that starts the worker, before the worker starts.',
  },
  RUNTIME_LOAD_FAILED: {
    message: 'The runtime refused to load the model.',
    exit: EXIT.cannotTell,
    http: 422,
    fix: 'Check the model with "modelward graph validate", or install onnxruntime-node, which knows more operators.',
  },
  RUNTIME_RUN_FAILED: {
    message: 'The model could not be run on the given input.',
    exit: EXIT.cannotTell,
    http: 422,
    fix: 'Check shape and element type of the input with "modelward inspect".',
  },
  RUNTIME_ENDED: {
    message: 'The thread that ran the model has ended.',
    exit: EXIT.environment,
    http: 503,
    fix: 'Look for a lack of memory; the gateway starts another thread by itself.',
  },
  RUNTIME_INPUTS_UNKNOWN: {
    message: 'The model takes an input that nothing here knows how to fill.',
    exit: EXIT.cannotTell,
    http: 422,
    fix: 'Go on without the measurement, or export the model without caches as inputs.',
  },
  RUNTIME_DTYPE_UNSUPPORTED: {
    message: 'The runtimes for JavaScript cannot pass values of this element type.',
    exit: EXIT.cannotTell,
    http: 422,
    fix: 'Export the model with float32 inputs and outputs.',
  },
  RUNTIME_NO_GRAPH: {
    message: 'The model has weights but no graph, so it cannot be run.',
    exit: EXIT.cannotTell,
    http: 422,
    fix: 'Give the ONNX file of the same model, or pass --unmeasured.',
  },
  RUNTIME_FORMAT: {
    message: 'No runtime here runs this format.',
    exit: EXIT.cannotTell,
    http: 422,
    fix: 'Give the ONNX file of the same model, or pass --unmeasured.',
  },
  RUNTIME_MODEL_TOO_LARGE: {
    message: 'The model is larger than what is loaded into memory for a run.',
    exit: EXIT.cannotTell,
    http: 413,
    fix: 'Pass --unmeasured, and measure the marked model with your own tools.',
  },
  RUNTIME_PROFILE_UNAVAILABLE: {
    message: 'The time of single nodes could not be taken.',
    exit: EXIT.environment,
    http: 503,
    fix: 'Only the native runtime can: `npm install onnxruntime-node@1.30.0`.',
  },
  RUNTIME_OPTIMIZER_UNAVAILABLE: {
    message: 'The graph could not be rewritten by the engine.',
    exit: EXIT.environment,
    http: 503,
    fix: 'Only the native runtime can: `npm install onnxruntime-node@1.30.0`.',
  },
  DATA_UNKNOWN_FORMAT: {
    message: 'The evaluation data is in no known format, or its labels were not found.',
    exit: EXIT.usage,
    http: 422,
    fix: 'Give npy with labels beside it, npz, idx, csv, or a folder with one subfolder of PNG or JPEG images per class.',
  },
  DATA_MALFORMED: {
    message: 'The evaluation data is damaged or malformed.',
    exit: EXIT.malformed,
    http: 422,
    fix: 'Write the data again: npz with inputs and labels, npy, CSV or a folder of images.',
  },
  DATA_TOO_LARGE: {
    message: 'The evaluation data exceeds a limit.',
    exit: EXIT.malformed,
    http: 413,
    fix: 'Give fewer samples.',
  },
  DATA_SHAPE_MISMATCH: {
    message: 'The evaluation data does not fit the input of the model.',
    exit: EXIT.malformed,
    http: 422,
    fix: 'Give samples in the shape that "modelward inspect" shows for the input.',
  },
  FIDELITY_LOSS_ABOVE_LIMIT: {
    message: 'The mark costs more accuracy than the limit allows.',
    exit: EXIT.findings,
    http: 422,
    fix: 'Raise the limit, or mark with a smaller strength; the robustness left is printed.',
  },
  FIDELITY_UNMEASURED: {
    message: 'What the mark costs could not be measured.',
    exit: EXIT.cannotTell,
    http: 422,
    fix: 'Pass --unmeasured to go on without a measurement.',
  },
});
