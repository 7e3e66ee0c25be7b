/** Error codes of the SQL databases that registers and logs lie in. */
import { defineErrors, EXIT } from './table.ts';

export const databaseErrors = defineErrors({
  DATABASE_URL_MALFORMED: {
    message: 'The address of the database cannot be read.',
    exit: EXIT.usage,
    http: 400,
    fix: 'Write sqlite:FILE, or postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full, with %2FFOLDER%2FOF%2FSOCKET as HOST for a socket.',
  },
  DATABASE_PASSWORD_EXPOSED: {
    message: 'The address of the database holds a password where other users of the machine can read it.',
    exit: EXIT.usage,
    http: 400,
    fix: 'Put the password into ~/.pgpass, or the address into a file with mode 600; change the password if others could have read it.',
  },
  DATABASE_SQLITE_MISSING: {
    message: 'No embedded database can be loaded.',
    exit: EXIT.environment,
    http: 503,
    fix: 'Run: npm install libsql@0.5.29, or use Node 22.16 or later, which has one built in.',
  },
  DATABASE_POSTGRES_MISSING: {
    message: 'The package pg, which speaks to PostgreSQL, is not installed in the version that is needed.',
    exit: EXIT.environment,
    http: 503,
    fix: 'Run: npm install pg@8.23.1',
  },
  DATABASE_UNREACHABLE: {
    message: 'The database does not answer.',
    exit: EXIT.environment,
    http: 503,
    fix: 'Look whether it runs and can be reached from here, then run the same command again; nothing was given out.',
  },
  DATABASE_BUSY: {
    message: 'Others have kept the database to themselves for too long.',
    exit: EXIT.environment,
    http: 503,
    fix: 'Run the same command again; look for a process that hangs.',
  },
  DATABASE_LOGIN_REFUSED: {
    message: 'The database refused the login.',
    exit: EXIT.environment,
    http: 503,
    fix: 'Check user and database in the address, the password in ~/.pgpass or in the file, and that the server lets this machine in.',
  },
  DATABASE_TLS_FAILED: {
    message: 'The connection to the database could not be secured.',
    exit: EXIT.environment,
    http: 503,
    fix: 'Name the authority of the certificate with sslrootcert=FILE in the address, and the host as the certificate does.',
  },
  DATABASE_REFUSED: {
    message: 'The database refused what was asked of it.',
    exit: EXIT.environment,
    http: 503,
    fix: 'Look at its rights and its disk: the user needs CREATE on the database when the schema is made, and all rights in it later.',
  },
  DATABASE_DAMAGED: {
    message: 'The file is no database, or a damaged one.',
    exit: EXIT.environment,
    http: 503,
    fix: 'Restore the file from a backup that is not older than the last change.',
  },
  DATABASE_NEWER: {
    message: 'The tables were made by a newer version of this program.',
    exit: EXIT.environment,
    http: 503,
    fix: 'Update this program on this machine; nothing was changed.',
  },
});
