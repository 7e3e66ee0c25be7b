/** Somebody else who holds a SQLite file for himself, in a thread: as a backup or a careless administrator does. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

const SCRIPT = `
const { parentPort, workerData } = require('node:worker_threads');
const Database = require('libsql');
const database = new Database(workerData);
database.pragma('busy_timeout = 20000');
database.exec('BEGIN EXCLUSIVE');
parentPort.postMessage('held');
parentPort.once('message', () => {
  database.exec('COMMIT');
  database.close();
  parentPort.postMessage('released');
});
`;

/** @returns lets it go */
export async function holdDatabase(path: string): Promise<() => Promise<void>> {
  const worker = new Worker(SCRIPT, { eval: true, workerData: path });
  await once(worker, 'message');
  return async () => {
    worker.postMessage('release');
    await once(worker, 'message');
    await worker.terminate();
  };
}
