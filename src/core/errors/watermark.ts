/** Error codes of the watermark area. */
import { defineErrors, EXIT } from './table.ts';

export const watermarkErrors = defineErrors({
  WATERMARK_TOO_SMALL: {
    message: 'The model has too few weights that can carry the mark.',
    exit: EXIT.cannotTell,
    http: 422,
    fix: 'Protect it without a mark: --no-mark seals and records it all the same.',
  },
  WATERMARK_NOT_EMBEDDED: {
    message: 'The margins of the mark could not be reached in this element type.',
    exit: EXIT.cannotTell,
    http: 422,
    fix: 'Mark the model before it is quantised, or protect it with --no-mark.',
  },
  WATERMARK_WEIGHTS_NOT_FINITE: {
    message: 'A weight tensor holds NaN or infinite values.',
    exit: EXIT.malformed,
    http: 422,
    fix: 'Check the export of the model.',
  },
  WATERMARK_CLAIM_MALFORMED: {
    message: 'The claim file is not what docs/spec/claim.md describes.',
    exit: EXIT.malformed,
    http: 422,
    fix: 'Use the claim file as protect wrote it.',
  },
  WATERMARK_TEXT_UNFIT: {
    message: 'The model is no decoder that a text mark can be put into.',
    exit: EXIT.cannotTell,
    http: 422,
    fix: 'It takes an ONNX graph with token ids [batch, tokens] and scores of a known vocabulary: name them with --tokens and --logits.',
  },
  WATERMARK_TEXT_MALFORMED: {
    message: 'The text cannot be read as token ids.',
    exit: EXIT.malformed,
    http: 422,
    fix: 'Pass token ids as JSON, JSON lines or npy, or a text file with --words FILE, a list with one word per line in the order of their ids.',
  },
  WATERMARK_ANNEX_MALFORMED: {
    message: 'The annex is not what docs/spec/annex.md describes.',
    exit: EXIT.malformed,
    http: 422,
    fix: 'Use the annex file as the command that made it wrote it.',
  },
  WATERMARK_ANNEX_OF_ANOTHER_CLAIM: {
    message: 'The annex belongs to another claim.',
    exit: EXIT.usage,
    http: 409,
    fix: 'Pass the claim that the annex was made for, with --claim FILE.',
  },
  WATERMARK_ANNEX_TOO_LARGE: {
    message: 'The annex is larger than any that is made here.',
    exit: EXIT.malformed,
    http: 413,
    fix: 'Use the annex file as the command that made it wrote it.',
  },
  WATERMARK_SEED_MISMATCH: {
    message: 'The seed does not match the commitment.',
    exit: EXIT.malformed,
    http: 422,
    fix: 'Use the claim file and the owner key that belong together.',
  },
  WATERMARK_TRIGGER_UNFIT: {
    message: 'Triggers cannot be put into this model.',
    exit: EXIT.cannotTell,
    http: 422,
    fix: 'They need an ONNX classifier with one input and float weights whose scores come from a dense layer.',
  },
  WATERMARK_TRIGGER_TOO_NARROW: {
    message: 'The last layer has too few features for triggers.',
    exit: EXIT.cannotTell,
    http: 422,
    fix: 'Use keyed probes instead, which change nothing, or a trigger set before training.',
  },
  WATERMARK_TRIGGER_COST: {
    message: 'Even the fewest triggers cost more accuracy than is accepted.',
    exit: EXIT.cannotTell,
    http: 422,
    fix: 'Raise --limit, give more data, or use keyed probes, which change nothing.',
  },
  WATERMARK_TRIGGER_SUSPECT_UNFIT: {
    message: 'The suspect cannot be asked these triggers.',
    exit: EXIT.cannotTell,
    http: 422,
    fix: 'Record its answers to the inputs that "modelward trigger export" writes, and pass them with --answers.',
  },
  WATERMARK_TRIGGERS_UNRECORDED: {
    message:
      'The ledger has no entry for these triggers: nothing shows that they were chosen before the suspect was known.',
    exit: EXIT.cannotTell,
    http: 409,
    fix: 'Use the annex that "modelward trigger embed" recorded.',
  },
  WATERMARK_LABEL_TOO_LONG: {
    message: 'The label does not fit into the least significant bits of this model.',
    exit: EXIT.cannotTell,
    http: 422,
    fix: 'Use a shorter label, such as its checksum.',
  },
  WATERMARK_LABEL_ABSENT: {
    message: 'No intact label is stored in this model.',
    exit: EXIT.findings,
    http: 404,
    fix: 'Any conversion, training or re-quantisation destroys a label; the ownership mark is read with detect.',
  },
  WATERMARK_LABEL_NO_PLACE: {
    message: 'The graph has no place for a label of this kind.',
    exit: EXIT.cannotTell,
    http: 422,
    fix: 'Use another kind: metadata and doc fit every ONNX model.',
  },
  WATERMARK_LABEL_PRESENT: {
    message: 'The model has a label of this kind already.',
    exit: EXIT.usage,
    http: 409,
    fix: 'Remove it first.',
  },
  WATERMARK_LABEL_DAMAGED: {
    message: 'What is left of the label cannot be taken out: somebody changed the parts around it.',
    exit: EXIT.malformed,
    http: 422,
  },
  WATERMARK_PAYLOAD_MALFORMED: {
    message: 'A UUID is 32 hexadecimal digits, and a checksum is an even number of them.',
    exit: EXIT.usage,
    http: 400,
  },
  WATERMARK_SVG_REFUSED: {
    message: 'The SVG logo has what is not drawn from untrusted files.',
    exit: EXIT.malformed,
    http: 422,
    fix: 'Convert text to paths, unlink clones, flatten effects; or save the logo as PNG.',
  },
  WATERMARK_SVG_FAILED: {
    message: 'The SVG logo could not be drawn.',
    exit: EXIT.cannotTell,
    http: 422,
    fix: 'Save the logo as PNG.',
  },
  SVG_RENDERER_MISSING: {
    message: 'SVG logos need a package that is not installed.',
    exit: EXIT.environment,
    http: 503,
    fix: 'Run "npm install @resvg/resvg-wasm@2.6.2", or save the logo as PNG.',
  },
  WATERMARK_OUTPUT_UNFIT: {
    message: 'The output is not of the kind that this mark needs.',
    exit: EXIT.cannotTell,
    http: 422,
    fix: 'Name another output, or give the missing facts as options.',
  },
  WATERMARK_OUTPUT_ABSENT: {
    message: 'There is no such mark in the outputs.',
    exit: EXIT.findings,
    http: 404,
  },
  WATERMARK_OUTPUT_ORDER: {
    message: 'The output has a checksum, which must come last.',
    exit: EXIT.usage,
    http: 409,
    fix: 'Remove the checksum, put in the mark, and add the checksum again.',
  },
  WATERMARK_OUTPUT_TOO_LONG: {
    message: 'The payload is longer than this mark can carry.',
    exit: EXIT.usage,
    http: 413,
    fix: 'Use a UUID or a checksum of the text.',
  },
  WATERMARK_MARK_FILE_MALFORMED: {
    message: 'The mark file is not what docs/spec/output-marks.md describes.',
    exit: EXIT.malformed,
    http: 422,
  },
  WATERMARK_RECORDING_MALFORMED: {
    message: 'The recording of outputs cannot be read, or has not what the mark needs.',
    exit: EXIT.malformed,
    http: 422,
    fix: 'Give npy, npz or JSON with the outputs by their names, as the runtime returned them.',
  },
});
