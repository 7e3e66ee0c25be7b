/** From what a user says to a mark that fits the outputs of a model: whatever he leaves out is read off their declarations. */
import { WatermarkError } from '../../core/errors.ts';
import type { Model, ValueInfo } from '../../model/types.ts';
import {
  type BoxesParams,
  findBoxAxes,
  type ImageLayout,
  type ImageParams,
  type ImageType,
  type OutputMarkSpec,
  type OutputType,
  type Payload,
  toImageType,
} from '../../watermark/index.ts';

interface Keyed {
  readonly payload: Payload;
  /** 32 random bytes. */
  readonly key: Uint8Array;
}

export interface ImageWish {
  readonly output: string | null;
  readonly layout: ImageLayout | null;
  readonly height: number | null;
  readonly width: number | null;
}

/** What is asked for; null where the model is to tell. */
export type MarkWish =
  | ({ readonly kind: 'boxes'; readonly boxes: string | null; readonly scores: string | null } & Keyed &
      Pick<BoxesParams, 'format' | 'width' | 'height' | 'score'>)
  | ({ readonly kind: 'scores'; readonly output: string | null; readonly step: number } & Keyed)
  | ({ readonly kind: 'image'; readonly payload: Payload; readonly range: number | null } & ImageWish &
      Pick<ImageParams, 'position' | 'opacity' | 'size'>)
  | ({ readonly kind: 'hidden'; readonly amplitude: number | null; readonly cell: number } & ImageWish & Keyed)
  | { readonly kind: 'signature'; readonly output: string | null; readonly payload: Payload }
  | {
      readonly kind: 'checksum';
      readonly output: string | null;
      readonly as: 'output' | 'column';
      readonly into: string | null;
      readonly step: number;
    };

/**
 * The mark that a wish comes to in this model.
 * @throws WatermarkError WATERMARK_OUTPUT_UNFIT
 */
export function toMarkSpec(model: Model, wish: MarkWish): OutputMarkSpec {
  switch (wish.kind) {
    case 'boxes':
      return toBoxesSpec(model, wish);
    case 'scores': {
      const { payload, key, step } = wish;
      return { kind: 'scores', params: { output: findOutput(model, wish.output).name, step }, payload, key };
    }
    case 'image': {
      const { payload, position, opacity, size } = wish;
      const type = findImage(model, wish);
      const range = wish.range ?? (type.dtype === 'u8' ? 255 : 1);
      return { kind: 'image', params: { ...type, position, opacity, size, range }, payload };
    }
    case 'hidden': {
      const { payload, key, cell } = wish;
      const type = findImage(model, wish);
      // Three steps of eight bits: below what is seen, above what a JPEG of good quality takes away.
      const amplitude = wish.amplitude ?? (type.dtype === 'u8' ? 3 : 3 / 255);
      return { kind: 'hidden', params: { ...type, amplitude, cell }, payload, key };
    }
    case 'signature':
      return { kind: 'signature', params: { output: wish.output ?? 'signature' }, payload: wish.payload };
    case 'checksum': {
      const output = findOutput(model, wish.output).name;
      const into = wish.as === 'column' ? null : (wish.into ?? `${output}_checksum`);
      return { kind: 'checksum', params: { output, into, step: wish.step } };
    }
  }
}

function toBoxesSpec(model: Model, wish: MarkWish & { readonly kind: 'boxes' }): OutputMarkSpec {
  const { format, width, height, score, payload, key } = wish;
  const outputs = listOutputs(model);
  const boxes = wish.boxes ?? outputs.find((output) => output.shape?.at(-1) === 4)?.name ?? outputs.at(0)?.name ?? null;
  const type = findOutput(model, boxes);
  const axes = findBoxAxes(type);
  if (countsSamples(model, type.shape[axes.rowAxis])) {
    const fields = { output: type.name, reason: 'its rows are the samples of a batch, not boxes' };
    throw new WatermarkError('WATERMARK_OUTPUT_UNFIT', { fields });
  }
  const rows = type.shape[axes.rowAxis];
  // Scores are an output of as many rows.
  const beside = outputs.find(
    ({ name, shape }) => name !== type.name && rows !== null && shape?.includes(rows) === true,
  );
  const scores = wish.scores ?? beside?.name ?? null;
  const params = { boxes: type.name, scores, format, width, height, ...axes, score };
  return { kind: 'boxes', params, payload, key };
}

/** Rows that an input has under the same symbol in front are samples: a mark would lengthen the batch. */
function countsSamples(model: Model, dim: number | string | null): boolean {
  return typeof dim === 'string' && (model.graph?.inputs.some(({ shape }) => shape?.at(0) === dim) ?? false);
}

function findImage(model: Model, { output, layout, height, width }: ImageWish): ImageType {
  const chosen = output ?? listOutputs(model).find(({ shape }) => shape?.length === 4)?.name ?? null;
  return toImageType(findOutput(model, chosen), { layout, height, width });
}

function listOutputs(model: Model): readonly ValueInfo[] {
  return model.graph?.outputs ?? [];
}

/** The output of that name, or the first one. */
function findOutput(model: Model, name: string | null): OutputType {
  const outputs = listOutputs(model);
  const found = name === null ? outputs.at(0) : outputs.find((output) => output.name === name);
  const { dtype, shape } = found ?? {};
  if (found === undefined || dtype === null || dtype === undefined || shape === null || shape === undefined) {
    const reason =
      found === undefined ? `outputs: ${outputs.map((one) => one.name).join(', ')}` : 'its type is not declared';
    throw new WatermarkError('WATERMARK_OUTPUT_UNFIT', { fields: { output: name, reason } });
  }
  return { name: found.name, dtype, shape };
}
