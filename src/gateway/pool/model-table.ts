/** The models that are served, by name and version; versions come and go while requests run. */
import type { InferencePool } from '../ports.ts';
import type { OpenedModel } from './served-model.ts';

export interface ModelTable extends InferencePool {
  find(model: string, version: string | null): OpenedModel | undefined;
  list(): readonly OpenedModel[];
  /** Puts a version in, in place of one of the same name and version; what was there ends its work and is closed. */
  put(model: OpenedModel): void;
  /** From now on these, in this order, and no others: what is not among them ends its work and is closed. */
  replaceAll(models: readonly OpenedModel[]): void;
  /** Takes a version out. Fulfilled when its work has ended. */
  remove(model: string, version: string): Promise<void>;
  /** Fulfilled when the work of all has ended, and that of those that were replaced. What is put in after that is closed at once. */
  close(): Promise<void>;
}

/** Without a version, callers get the one that was put in last. */
export function createModelTable(): ModelTable {
  let models: readonly OpenedModel[] = [];
  const leaving = new Set<Promise<void>>();
  let isClosed = false;
  const end = (model: OpenedModel): Promise<void> => {
    // An instance that cannot be ended in order has ended all the same.
    const ended = model
      .close()
      .catch(() => undefined)
      .finally(() => leaving.delete(ended));
    leaving.add(ended);
    return ended;
  };
  const find = (name: string, version: string | null): OpenedModel | undefined =>
    models.findLast((model) => model.name === name && (version === null || model.version === version));
  const replaceAll = (next: readonly OpenedModel[]): void => {
    const former = models.filter((model) => !next.includes(model));
    models = isClosed ? [] : [...next];
    for (const model of isClosed ? next : former) void end(model);
  };
  return {
    find,
    list: () => models,
    put: (model) => {
      const former = find(model.name, model.version);
      replaceAll(former === undefined ? [...models, model] : models.map((one) => (one === former ? model : one)));
    },
    replaceAll,
    remove: async (name, version) => {
      const former = find(name, version);
      if (former === undefined) return;
      models = models.filter((one) => one !== former);
      await end(former);
    },
    close: async () => {
      replaceAll([]);
      isClosed = true;
      await Promise.all(leaving);
    },
  };
}
