/**
 * Speaks with the child while the thread of the test waits: passes words on, gathers what is printed up to both marks.
 * Answers are { status, stdout, stderr } or { problem }; `answered` counts them.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { workerData } from 'node:worker_threads';

const END_MS = 20_000;
const MARK = /^([^\0]*)\0(-?\d+)\0/;
const { entry, cwd, env, port, answered } = workerData;
const child = spawn(process.execPath, [join(import.meta.dirname, 'child.js'), entry], {
  cwd,
  env,
  stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
});
const printed = { stdout: '', stderr: '' };
let isEnding = false;

function answer(value) {
  port.postMessage(value);
  Atomics.add(answered, 0, 1);
  Atomics.notify(answered, 0);
}

for (const name of ['stdout', 'stderr']) {
  child[name].setEncoding('utf8').on('data', (text) => {
    printed[name] += text;
    const [stdout, stderr] = [MARK.exec(printed.stdout), MARK.exec(printed.stderr)];
    if (stdout === null || stderr === null) return;
    printed.stdout = printed.stdout.slice(stdout[0].length);
    printed.stderr = printed.stderr.slice(stderr[0].length);
    answer({ status: Number(stdout[2]), stdout: stdout[1], stderr: stderr[1] });
  });
}

child.on('exit', (status, signal) => {
  if (isEnding && status === 0) answer({});
  else if (isEnding) answer({ problem: `a command left something open: the process ended by ${signal ?? status}` });
  else answer({ problem: `the process ended early (${signal ?? status}): ${printed.stdout}${printed.stderr}` });
});

port.on('message', (words) => {
  if (words !== null) {
    child.send(words);
    return;
  }
  isEnding = true;
  child.disconnect();
  setTimeout(() => child.kill('SIGKILL'), END_MS).unref();
});
