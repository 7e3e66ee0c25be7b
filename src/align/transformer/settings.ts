/** How many heads a language model has: from the metadata of GGUF, or the settings beside a checkpoint (docs/spec/transformer-topology.md §3). */
import type { Model } from '../../model/types.ts';

export interface HeadCounts {
  readonly heads: number;
  /** Key and value heads; each serves heads / keyHeads query heads. */
  readonly keyHeads: number;
}

/**
 * Families whose heads are alike but for their weights. Where each head has a slope or a window of its own, moving it
 * would change what the model computes.
 */
const FAMILIES: ReadonlySet<string> = new Set([
  ...['llama', 'mistral', 'mistral3', 'ministral', 'qwen2', 'qwen3', 'gemma', 'gemma2', 'gemma3', 'gemma3_text'],
  ...['phi', 'phi2', 'phi3', 'granite', 'smollm3', 'olmo', 'olmo2', 'stablelm', 'arcee'],
]);
const HEADS_MAX = 65_536;

type Find = (key: string) => unknown;

/** Null where nothing says it, or the family is not known to have heads that can move. */
export function findHeadCounts(model: Model, block: number): HeadCounts | null {
  return model.format === 'gguf' ? findInMetadata(model, block) : findInSettings(model);
}

function findInMetadata({ metadata }: Model, block: number): HeadCounts | null {
  const architecture = metadata.get('general.architecture') ?? '';
  const find = (key: string): unknown => {
    const text = metadata.get(`${architecture}.attention.${key}`);
    // One number for all blocks, or a list with one for each.
    return (
      /^\[(.*)\]$/
        .exec(text ?? '')?.[1]
        .split(', ')
        .at(block) ?? text
    );
  };
  return toHeadCounts(architecture, find('head_count'), find('head_count_kv'));
}

function findInSettings(model: Model): HeadCounts | null {
  const find = toFind(model.readSettings?.() ?? null);
  if (find === null) return null;
  return toHeadCounts(String(find('model_type')), find('num_attention_heads'), find('num_key_value_heads'));
}

/** Entries at the top, or under `text_config` in models that also see. */
function toFind(text: string | null): Find | null {
  try {
    const json: unknown = JSON.parse(text ?? '');
    if (typeof json !== 'object' || json === null) return null;
    const top = json as Readonly<Record<string, unknown>>;
    const inner = typeof top.text_config === 'object' && top.text_config !== null ? top.text_config : {};
    const entries = new Map<string, unknown>([...Object.entries(top), ...Object.entries(inner)]);
    return (key) => entries.get(key);
  } catch {
    return null;
  }
}

function toHeadCounts(family: string, heads: unknown, keyHeads: unknown): HeadCounts | null {
  const [own, keys] = [Number(heads), Number(keyHeads ?? heads)];
  const isCount = (value: number): boolean => Number.isInteger(value) && value > 0 && value <= HEADS_MAX;
  if (!FAMILIES.has(family) || !isCount(own) || !isCount(keys) || own % keys !== 0) return null;
  return { heads: own, keyHeads: keys };
}
