/**
 * Loaded into a command with --import: what a confidential VM or an enclave shows below /sys and /dev comes from a folder,
 * and reports are made by whoever watches that folder. The command itself is the one that users run.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { basename, dirname, join } from 'node:path';

const folder = process.env.GUEST_KERNEL_FOLDER;
const TSM = '/sys/kernel/config/tsm/report';
const GRAMINE = '/dev/attestation';
const real = { ...fs };
/** Files that are open for writing, by descriptor. */
const written = new Map();
let requests = 0;

const toPath = (path) => {
  const root = [TSM, GRAMINE].find((one) => String(path).startsWith(one));
  return root === undefined ? undefined : join(folder, String(path).slice(root.length) || '.');
};
const pause = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);

/** Asks whoever watches for a report over `asked`, and waits for it. */
function makeReport(asked) {
  const name = join(folder, `request-${process.pid}-${requests++}`);
  real.writeFileSync(`${name}.new`, asked);
  real.renameSync(`${name}.new`, `${name}.asked`);
  for (let tries = 0; !real.existsSync(`${name}.made`); tries++) {
    if (tries > 4000) throw Object.assign(new Error('no report'), { code: 'ETIMEDOUT' });
    pause();
  }
  return real.readFileSync(`${name}.made`);
}

fs.mkdirSync = (path, options) => {
  const entry = toPath(path);
  if (entry === undefined) return real.mkdirSync(path, options);
  real.mkdirSync(entry, options);
  real.writeFileSync(join(entry, 'generation'), '0\n');
  real.copyFileSync(join(folder, 'provider'), join(entry, 'provider'));
  if (real.existsSync(join(folder, 'auxblob'))) real.copyFileSync(join(folder, 'auxblob'), join(entry, 'auxblob'));
};
fs.rmdirSync = (path, options) => {
  const entry = toPath(path);
  if (entry === undefined) return real.rmdirSync(path, options);
  real.rmSync(entry, { recursive: true });
};
fs.statSync = (path, options) => real.statSync(toPath(path) ?? path, options);
fs.openSync = (path, flags, mode) => {
  const file = toPath(path);
  if (file === undefined) return real.openSync(path, flags, mode);
  if (basename(file) === 'outblob')
    real.writeFileSync(file, makeReport(real.readFileSync(join(dirname(file), 'inblob'))));
  if (basename(file) === 'quote')
    real.writeFileSync(file, makeReport(real.readFileSync(join(folder, 'user_report_data'))));
  const fd = real.openSync(file, flags, mode);
  if (flags === 'w') written.set(fd, file);
  return fd;
};
fs.closeSync = (fd) => {
  const file = written.get(fd);
  written.delete(fd);
  real.closeSync(fd);
  const generation = file === undefined ? '' : join(dirname(file), 'generation');
  if (generation === '' || !real.existsSync(generation)) return;
  real.writeFileSync(generation, `${Number(real.readFileSync(generation, 'utf8')) + 1}\n`);
};
syncBuiltinESMExports();
