/** The host models of the backdoor table, and the honest models beside them. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { hasSharedData, sharedData } from '../../shared-data.ts';
import { readTarGz } from '../../tar.ts';
import { type Host, toHost } from './host.ts';

export interface NamedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

const SAMPLES = resolve(import.meta.dirname, '../../../samples');

const isModel = (name: string): boolean => /\.(?:onnx|safetensors|tflite)$/.test(name);

/** Models of the repository, and of the shared data where they are. */
export function readModels(): NamedFile[] {
  const folders = [SAMPLES, ...(hasSharedData ? [sharedData('models')] : [])];
  return folders.flatMap((folder) =>
    readdirSync(folder)
      .filter(isModel)
      .map((name) => ({ name, bytes: readFileSync(join(folder, name)) })),
  );
}

/** Published architectures without weights, and small converted networks; [] without the shared data. */
export function readCorpusModels(folder: 'light' | 'pytorch-converted'): NamedFile[] {
  const path = sharedData('onnx-backend-v1.21.0.tar.gz');
  if (!existsSync(path)) return [];
  const files: NamedFile[] = [];
  for (const { path: file, bytes } of readTarGz(path)) {
    if (!file.startsWith(`${folder}/`) || !file.endsWith('.onnx')) continue;
    files.push({ name: file.replace(/^.*?\/(.*?)(?:\/model)?\.onnx$/, '$1.onnx'), bytes });
  }
  return files;
}

/** ONNX models with an input and an output: samples, real networks, architectures. */
export function readHosts(): Host[] {
  const files = [...readModels().filter(({ name }) => name.endsWith('.onnx')), ...readCorpusModels('light')];
  return files
    .filter(({ name }) => name !== 'qdq_conv.onnx')
    .map(({ name, bytes }) => toHost(name.replace('.onnx', ''), bytes));
}
