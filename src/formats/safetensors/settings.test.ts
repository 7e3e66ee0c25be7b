import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { memoryModel, memoryTensor } from '../../../test/fakes/memory-model.ts';
import { runPlan } from '../../../test/formats/models.ts';
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import { toSafetensors } from '../convert.ts';
import { openModelPath } from '../index.ts';

const folders: string[] = [];
let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'modelward-settings-'));
  folders.push(folder);
  const model = memoryModel([memoryTensor('w', [2, 3], [1, 2, 3, 4, 5, 6])]);
  writeFileSync(join(folder, 'model.safetensors'), runPlan(toSafetensors(model, 'model.safetensors').plan));
});

afterAll(() => {
  for (const path of folders) rmSync(path, { recursive: true });
});

function readSettings(): string | null {
  const model = openModelPath(join(folder, 'model.safetensors'));
  try {
    return model.readSettings?.() ?? null;
  } finally {
    model.close();
  }
}

describe('settings beside a checkpoint', () => {
  test('are read as text when they are asked for', () => {
    writeFileSync(join(folder, 'config.json'), '{"model_type": "llama"}');
    expect(readSettings()).toBe('{"model_type": "llama"}');
  });

  test('need not be there, and are left alone when they are too large or lead elsewhere', () => {
    expect(readSettings()).toBeNull();
    writeFileSync(join(folder, 'config.json'), ' '.repeat(FORMAT_LIMITS.settingsBytesMax + 1));
    expect(readSettings()).toBeNull();
    rmSync(join(folder, 'config.json'));
    symlinkSync('/etc/hostname', join(folder, 'config.json'));
    expect(readSettings()).toBeNull();
  });
});
