/** Calls that ask no model: whether something is there and ready, and what a model takes. */
import { GatewayError } from '../../core/errors.ts';
import { mayUseModel } from '../identity/index.ts';
import { toLimitHeaders } from '../limits/index.ts';
import { toVisible } from '../output/index.ts';
import type { GatewayAnswer } from '../ports.ts';
import type { Info } from '../protocols/ports.ts';
import type { Target } from '../targets/ports.ts';
import { settle } from './finish.ts';
import type { GatewayParts } from './parts.ts';
import type { Work } from './work.ts';

/** @throws GatewayError GATEWAY_NOT_ALLOWED */
export function answerInfo(parts: GatewayParts, work: Work): GatewayAnswer {
  const answer = work.protocol.encodeInfo(toInfo(parts, work));
  const { principal, verdict } = work;
  const limits = principal === null || verdict === null ? [] : toLimitHeaders(principal.limits, verdict);
  const headers = [...answer.headers, ['x-request-id', work.requestId] as const, ...limits];
  return settle(parts, work, { ...answer, headers }, null);
}

function toInfo(parts: GatewayParts, work: Work): Info {
  const { kind } = work.call!;
  const { name, version, isDraining } = parts.settings;
  switch (kind) {
    case 'server-live':
      return { kind };
    case 'server-ready':
      return { kind, isReady: isDraining?.() !== true && areReady(parts) };
    case 'server-metadata':
      return { kind, name, version };
    case 'model-list':
      return { kind, models: listModels(parts, work) };
    case 'model-ready':
      return toReady(work, findTarget(parts, work));
    case 'model-metadata':
      return toMetadata(work, findTarget(parts, work));
    case 'infer':
      throw new TypeError('internal error: inference is no information');
  }
}

export function areReady({ targets }: Pick<GatewayParts, 'targets'>): boolean {
  return [...targets.values()].every((target) => target.isReady(null));
}

/** Those that this protocol asks, and this caller may look at. */
function listModels({ targets }: GatewayParts, work: Work): readonly string[] {
  const models = [...targets.values()].filter((target) => target.isAskedBy(work.protocol));
  return models.map(({ model }) => model).filter((model) => mayLook(work, model));
}

function mayLook({ principal }: Work, model: string): boolean {
  return mayUseModel(principal!.scopes, 'meta', model) || mayUseModel(principal!.scopes, 'infer', model);
}

/** Whether there is no such model, or not for this caller: he is told the same. */
function findTarget({ targets }: GatewayParts, work: Work): Target {
  const { model } = work.call!;
  const target = model === null ? undefined : targets.get(model);
  if (target === undefined || !mayLook(work, target.model)) throw new GatewayError('GATEWAY_NOT_ALLOWED');
  work.target = target;
  return target;
}

function toReady({ call }: Work, target: Target): Info {
  return { kind: 'model-ready', name: target.model, isReady: target.isReady(call!.version) };
}

function toMetadata({ call, principal }: Work, target: Target): Info {
  const signature = target.findSignature(call!.version);
  if (signature === null) throw new GatewayError('GATEWAY_NOT_ALLOWED');
  const visible = toVisible(signature, principal!.output);
  return { kind: 'model-metadata', name: target.model, versions: target.versions(), signature: visible };
}
