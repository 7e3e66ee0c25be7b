/** What `modelward attack` is asked for. */
import type { OpenAnyOptions } from '../open-model.ts';

export interface AttackOptions extends OpenAnyOptions {
  /** Absolute path of the claim whose mark is attacked. */
  readonly claimPath: string;
  /** Absolute path of the unmarked original; the place noted with the claim is tried without it. */
  readonly originalPath?: string | undefined;
  /** Absolute path of a copy that somebody trained on. */
  readonly tunedPath?: string | undefined;
  /** Absolute paths of labelled data: to measure with, to train with, and of another task. */
  readonly evalPath?: string | undefined;
  readonly trainPath?: string | undefined;
  readonly transferPath?: string | undefined;
  readonly labelColumn?: 'auto' | 'first' | 'last' | undefined;
  /** Attacks or groups of them; all without. */
  readonly only: readonly string[];
  /** Strengths instead of those that the attacks come in. */
  readonly strengths: readonly string[];
  readonly learningRate: number;
  /** Names every random choice. */
  readonly seed: string;
  /** Absolute path of a folder that keeps finished attacks. */
  readonly resumePath?: string | undefined;
  /** Absolute paths of the page, and of the report in the form of IEEE 3304. */
  readonly htmlPath?: string | undefined;
  readonly reportPath?: string | undefined;
}
