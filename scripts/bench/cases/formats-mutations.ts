/**
 * Opens mutants of one format, reads and writes what opens, and prints what happened as JSON. A crash ends it with an error.
 * Source, not built code: rightness is judged here, not speed. Usage: formats-mutations.ts FORMAT COUNT SEED
 */
import { mutateGguf } from '../../../test/formats/mutate-gguf.ts';
import { type Mutant, mutateOnnx } from '../../../test/formats/mutate-onnx.ts';
import { mutateIndex, mutateSafetensors } from '../../../test/formats/mutate-safetensors.ts';
import { mutateTflite } from '../../../test/formats/mutate-tflite.ts';
import { mutateTorch } from '../../../test/formats/mutate-torch.ts';
import { runMutations } from '../../../test/formats/mutations.ts';
import type { Rng } from '../../../test/formats/random.ts';

const MUTATORS: Readonly<Record<string, (rng: Rng) => Mutant & { readonly name: string }>> = {
  onnx: (rng) => ({ ...mutateOnnx(rng), name: 'm.onnx' }),
  safetensors: (rng) =>
    rng.int(6) === 0
      ? { ...mutateIndex(rng), name: 'm.safetensors.index.json' }
      : { ...mutateSafetensors(rng, 0.0002), name: 'm.safetensors' },
  gguf: (rng) => ({ ...mutateGguf(rng, 0.0001), name: 'm.gguf' }),
  tflite: (rng) => ({ ...mutateTflite(rng, 0.0002), name: 'm.tflite' }),
  pytorch: (rng) => ({ ...mutateTorch(rng), name: 'm.pt' }),
};

const [format, count, seed] = process.argv.slice(2);
const report = runMutations({ seed: Number(seed), count: Number(count), mutate: MUTATORS[format] });
const { histogram, slowestMs, rssGrowthMib } = report;
const opened = histogram.get('ok') ?? 0;
console.log(JSON.stringify({ opened, codes: histogram.size - (opened > 0 ? 1 : 0), slowestMs, rssGrowthMib }));
