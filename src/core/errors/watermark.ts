/** Error codes of the watermark area. */
import { defineErrors, EXIT } from './table.ts';

export const watermarkErrors = defineErrors({
  WATERMARK_TOO_SMALL: {
    message: 'the model has too few weights that can carry the mark',
    exit: EXIT.cannotTell,
    http: 422,
    fix: 'protect it without a mark: --no-mark seals and records it all the same',
  },
  WATERMARK_NOT_EMBEDDED: {
    message: 'the margins of the mark could not be reached in this element type',
    exit: EXIT.cannotTell,
    http: 422,
    fix: 'mark the model before it is quantised, or protect it with --no-mark',
  },
  WATERMARK_WEIGHTS_NOT_FINITE: {
    message: 'a weight tensor holds NaN or infinite values',
    exit: EXIT.malformed,
    http: 422,
    fix: 'check the export of the model',
  },
  WATERMARK_CLAIM_MALFORMED: {
    message: 'the claim file is not what docs/spec/claim.md describes',
    exit: EXIT.malformed,
    http: 422,
    fix: 'use the claim file as protect wrote it',
  },
  WATERMARK_SEED_MISMATCH: {
    message: 'the seed does not match the commitment',
    exit: EXIT.malformed,
    http: 422,
    fix: 'use the claim file and the owner key that belong together',
  },
  WATERMARK_LABEL_TOO_LONG: {
    message: 'the label does not fit into the least significant bits of this model',
    exit: EXIT.cannotTell,
    http: 422,
    fix: 'use a shorter label, such as its checksum',
  },
  WATERMARK_LABEL_ABSENT: {
    message: 'no intact label is stored in this model',
    exit: EXIT.findings,
    http: 404,
    fix: 'any conversion, training or re-quantisation destroys a label; the ownership mark is read with detect',
  },
  WATERMARK_LABEL_NO_PLACE: {
    message: 'the graph has no place for a label of this kind',
    exit: EXIT.cannotTell,
    http: 422,
    fix: 'use another kind: metadata and doc fit every ONNX model',
  },
  WATERMARK_LABEL_PRESENT: {
    message: 'the model has a label of this kind already',
    exit: EXIT.usage,
    http: 409,
    fix: 'remove it first',
  },
  WATERMARK_LABEL_DAMAGED: {
    message: 'what is left of the label cannot be taken out: somebody changed the parts around it',
    exit: EXIT.malformed,
    http: 422,
  },
  WATERMARK_PAYLOAD_MALFORMED: {
    message: 'a UUID is 32 hexadecimal digits, and a checksum is an even number of them',
    exit: EXIT.usage,
    http: 400,
  },
  WATERMARK_SVG_REFUSED: {
    message: 'the SVG logo has what is not drawn from untrusted files',
    exit: EXIT.malformed,
    http: 422,
    fix: 'convert text to paths, unlink clones, flatten effects; or save the logo as PNG',
  },
  WATERMARK_SVG_FAILED: {
    message: 'the SVG logo could not be drawn',
    exit: EXIT.cannotTell,
    http: 422,
    fix: 'save the logo as PNG',
  },
  SVG_RENDERER_MISSING: {
    message: 'SVG logos need a package that is not installed',
    exit: EXIT.environment,
    http: 503,
    fix: 'run "npm install @resvg/resvg-wasm@2.6.2", or save the logo as PNG',
  },
  WATERMARK_OUTPUT_UNFIT: {
    message: 'the output is not of the kind that this mark needs',
    exit: EXIT.cannotTell,
    http: 422,
    fix: 'name another output, or give the missing facts as options',
  },
  WATERMARK_OUTPUT_ABSENT: {
    message: 'there is no such mark in the outputs',
    exit: EXIT.findings,
    http: 404,
  },
  WATERMARK_OUTPUT_ORDER: {
    message: 'the output has a checksum, which must come last',
    exit: EXIT.usage,
    http: 409,
    fix: 'remove the checksum, put in the mark, and add the checksum again',
  },
  WATERMARK_OUTPUT_TOO_LONG: {
    message: 'the payload is longer than this mark can carry',
    exit: EXIT.usage,
    http: 413,
    fix: 'use a UUID or a checksum of the text',
  },
  WATERMARK_MARK_FILE_MALFORMED: {
    message: 'the mark file is not what docs/spec/output-marks.md describes',
    exit: EXIT.malformed,
    http: 422,
  },
  WATERMARK_RECORDING_MALFORMED: {
    message: 'the recording of outputs cannot be read, or has not what the mark needs',
    exit: EXIT.malformed,
    http: 422,
    fix: 'give npy, npz or JSON with the outputs by their names, as the runtime returned them',
  },
});
