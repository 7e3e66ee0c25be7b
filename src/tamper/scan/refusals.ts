/** What a reader's refusal means to a scan: some defects are attacks, and are found before a model can be opened. */
import type { ErrorCode, ModelwardError } from '../../core/errors.ts';
import type { ScanFinding } from './finding.ts';
import type { ScanRuleId } from './rules.ts';

const ATTACKS: Partial<Record<ErrorCode, ScanRuleId>> = {
  ONNX_STORAGE: 'S01',
  ONNX_ATTRIBUTE: 'S01',
  TFLITE_BUFFER: 'S01',
  SOURCE_OUTSIDE_FOLDER: 'S02',
  SOURCE_LINK_REFUSED: 'S02',
  ONNX_EXTERNAL: 'S02',
  TFLITE_EXTERNAL: 'S02',
  ONNX_EXTERNAL_BOUNDS: 'S02',
  ONNX_DUPLICATE_NAME: 'S03',
  ONNX_FUNCTION_RECURSION: 'S03',
  ONNX_DEPTH: 'S03',
  ONNX_BUDGET: 'S03',
  ONNX_OPSET: 'S03',
  SAFETENSORS_DUPLICATE_KEY: 'S03',
  SAFETENSORS_OFFSETS: 'S03',
  SAFETENSORS_DATA_LENGTH: 'S03',
  GGUF_DUPLICATE_KEY: 'S03',
  GGUF_DUPLICATE_NAME: 'S03',
  GGUF_OFFSETS: 'S03',
  GGUF_BUDGET: 'S03',
  TFLITE_OVERLAP: 'S03',
  TFLITE_RECURSION: 'S03',
  TFLITE_BUDGET: 'S03',
};

/** The finding that a refusal amounts to; null when the file is merely damaged or unknown. */
export function findRefusal(error: ModelwardError): ScanFinding | null {
  const rule = ATTACKS[error.code];
  if (rule === undefined) return null;
  const { tensor, offset, data } = error.fields;
  const subject = [tensor, data].find((one) => typeof one === 'string' && one !== '');
  return {
    rule,
    severity: 'high',
    message: `${error.message} (${error.code}${typeof subject === 'string' ? `, "${subject}"` : ''})`,
    subject: typeof subject === 'string' ? subject : null,
    kind: typeof tensor === 'string' && tensor !== '' ? 'tensor' : 'file',
    path: [],
    offset: typeof offset === 'number' ? offset : null,
  };
}
