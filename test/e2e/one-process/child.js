/**
 * The built command line, asked for one command after the other by messages [words]; a mark with the exit code follows the
 * output of each on both streams. Once the parent hangs up, only what a command left open keeps it alive.
 */
import { writeSync } from 'node:fs';

const [, , entry] = process.argv;
const { main } = await import(entry);

process.on('message', async (words) => {
  // What a failure says of the words that were given is read from here.
  process.argv.splice(1, Infinity, entry, ...words);
  const status = await main(words);
  for (const fd of [1, 2]) writeSync(fd, `\0${status}\0`);
});
