/** The yardstick: `openssl speed` at 1 MiB. Usage: seal-openssl.js encrypt|decrypt SECONDS [COPY_FROM COPY_TO] */
import { execFileSync } from 'node:child_process';
import { closeSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';

const [direction, seconds, from, to] = process.argv.slice(2);

/** A plain copy, 1 MiB at a time, made durable. */
function copy() {
  const buffer = new Uint8Array(1024 * 1024);
  const input = openSync(from, 'r');
  const output = openSync(to, 'wx');
  for (let count = readSync(input, buffer); count > 0; count = readSync(input, buffer))
    writeSync(output, buffer, 0, count);
  fsyncSync(output);
  closeSync(input);
  closeSync(output);
}

const before = process.cpuUsage();
if (from !== undefined) copy();
const { user, system } = process.cpuUsage(before);
const args = ['speed', '-mr', '-seconds', seconds, '-bytes', '1048576', '-evp', 'aes-256-gcm'];
if (direction === 'decrypt') args.push('-decrypt');
const text = execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
const bytesPerCpuSecond = Number(/\+F:\d+:[^:]+:([0-9.]+)/.exec(text)?.[1]);
console.log(JSON.stringify({ bytesPerCpuSecond, copyCpuMs: (user + system) / 1000 }));
