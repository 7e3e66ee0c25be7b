// Loaded before the gateway: on SIGUSR2 it prints how late the loop of the thread that answers was since the last time.
const { isMainThread } = require('node:worker_threads');
const { monitorEventLoopDelay } = require('node:perf_hooks');

if (isMainThread) {
  // The time of the timer itself is counted in: it is taken off.
  const RESOLUTION_MS = 1;
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  process.on('SIGUSR2', () => {
    const toMs = (ns) => Math.max(0, ns / 1e6 - RESOLUTION_MS);
    const figures = { p50Ms: toMs(delay.percentile(50)), p99Ms: toMs(delay.percentile(99)), maxMs: toMs(delay.max) };
    process.stderr.write(`loop-delay ${JSON.stringify(figures)}\n`);
    delay.reset();
  });
}
