#!/usr/bin/env node
/** The command's entry: telemetry off and the heap of a gateway bound before anything loads, then the built command line. */
import { setFlagsFromString } from 'node:v8';

process.env.ORT_DISABLE_TELEMETRY = '1';

// A gateway lives for months and keeps little, but V8 lets garbage grow to several times what is kept, and its pages fill up with
// gaps. It reads these flags when it next thinks of growing, and loading modules makes it grow first. Whatever is kept still gets
// the heap that it needs.
if (process.argv.includes('serve')) {
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString('--heap-growing-percent=30');
  setFlagsFromString('--optimize-for-size');
}

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`modelward: Node 20.19 or newer is needed; this is ${process.versions.node}.\n`);
  process.exit(6);
}

try {
  const { main } = await import('../dist/cli/main.js');
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (error?.code !== 'ERR_MODULE_NOT_FOUND' || !String(error.message).includes('dist')) throw error;
  process.stderr.write('modelward: the command is not built yet; run "npm run build" in the checkout first.\n');
  process.exitCode = 6;
}
