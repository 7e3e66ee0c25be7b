/** Models at work: instances, shared runs, versions. */
export { type OpenedModel, type OpenInstance, openServedModel, type ServedModelOptions } from './served-model.ts';
export { createModelTable, type ModelTable } from './model-table.ts';
export { toSignature } from './signature.ts';
