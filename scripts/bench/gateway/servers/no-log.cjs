// What a gateway without a log would be: rows are put together, and go nowhere; its thread finds none to move.
const fs = require('node:fs');
const { syncBuiltinESMExports } = require('node:module');

const { openSync, writeSync, closeSync } = fs;
const spools = new Set();
fs.openSync = (path, ...rest) => {
  const fd = openSync(path, ...rest);
  if (String(path).endsWith('.spool')) spools.add(fd);
  return fd;
};
fs.writeSync = (fd, bytes, ...rest) => (spools.has(fd) ? bytes.length : writeSync(fd, bytes, ...rest));
fs.closeSync = (fd) => {
  spools.delete(fd);
  closeSync(fd);
};
syncBuiltinESMExports();
