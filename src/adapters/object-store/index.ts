/** Objects of S3 and Google Cloud Storage, read by range and written whole. */
export * from './connect.ts';
export * from './serve.ts';
export * from './store.ts';
