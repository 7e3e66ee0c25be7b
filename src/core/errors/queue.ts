/** Error codes of the job queue that a fleet of several machines shares. */
import { defineErrors, EXIT } from './table.ts';

export const queueErrors = defineErrors({
  QUEUE_URL_MISSING: {
    message: 'It is not said where the queue is.',
    exit: EXIT.usage,
    http: 400,
    fix: 'Pass --queue-file FILE, or --queue URL for a connection without a password; MODELWARD_QUEUE_FILE and MODELWARD_QUEUE_URL stand for them.',
  },
  QUEUE_URL_MALFORMED: {
    message: 'The address of the queue cannot be read.',
    exit: EXIT.usage,
    http: 400,
    fix: 'Write it as postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full, or with %2FFOLDER%2FOF%2FSOCKET as HOST.',
  },
  QUEUE_PASSWORD_EXPOSED: {
    message: 'The address of the queue holds a password where other users of the machine can read it.',
    exit: EXIT.usage,
    http: 400,
    fix: 'Put the address into a file with mode 600 and pass --queue-file FILE; change the password if others could have read it.',
  },
  QUEUE_SCHEMA_NAME: {
    message: 'This cannot be the name of a database schema.',
    exit: EXIT.usage,
    http: 400,
    fix: 'Use up to 50 lower-case letters, digits and "_", beginning with a letter, but not with "pg_".',
  },
  QUEUE_PACKAGE_MISSING: {
    message: 'The package pg-boss, which speaks to the queue, is not installed in the version that is needed.',
    exit: EXIT.environment,
    http: 503,
    fix: 'Run: npm install pg-boss@10.4.2',
  },
  QUEUE_UNREACHABLE: {
    message: 'The database of the queue does not answer.',
    exit: EXIT.environment,
    http: 503,
    fix: 'Look whether the server runs and can be reached from here, then run the same command again: it goes on.',
  },
  QUEUE_LOGIN_REFUSED: {
    message: 'The database of the queue refused the login.',
    exit: EXIT.environment,
    http: 503,
    fix: 'Check user, password and database in the queue file, and that the server lets this machine in.',
  },
  QUEUE_TLS_FAILED: {
    message: 'The connection to the queue could not be secured.',
    exit: EXIT.environment,
    http: 503,
    fix: 'Name the authority of the certificate with sslrootcert=FILE in the address, and the host as the certificate does.',
  },
  QUEUE_REFUSED: {
    message: 'The database refused what the queue needs.',
    exit: EXIT.environment,
    http: 503,
    fix: 'The user needs CREATE on the database when the schema is made, and all rights in the schema later.',
  },
  QUEUE_SCHEMA_FOREIGN: {
    message: 'The schema of the queue was made by another version of pg-boss.',
    exit: EXIT.environment,
    http: 503,
    fix: 'Give this queue a schema of its own with --queue-schema NAME.',
  },
  QUEUE_OUTSIDE_ROOT: {
    message: 'A model or its copy would lie outside the folder that all machines share.',
    exit: EXIT.usage,
    http: 400,
    fix: 'Pass --root DIR: the models and --out must lie below it.',
  },
  QUEUE_PLAN_TOO_LARGE: {
    message: 'The plan is larger than what a job of the queue carries.',
    exit: EXIT.usage,
    http: 413,
    fix: 'Apply it without --queue, or put the tensors into a model file.',
  },
  QUEUE_JOB_REFUSED: {
    message: 'The worker refused the job: it is malformed, or asks for what this worker does not do.',
    exit: EXIT.malformed,
    http: 422,
    fix: 'Queue it with "modelward graph apply" of the same version.',
  },
  QUEUE_RESULT_REFUSED: {
    message: 'The queue holds no well-formed result for this model.',
    exit: EXIT.malformed,
    http: 422,
    fix: 'Run the same command again; look who else can write to the database.',
  },
  QUEUE_JOB_LOST: {
    message: 'Every worker that took this model ended without an answer.',
    exit: EXIT.environment,
    http: 503,
    fix: 'Look at the workers; a model that is too large for their memory ends them each time.',
  },
  QUEUE_JOB_WITHDRAWN: {
    message: 'The job was taken out of the queue before a worker was done with it.',
    exit: EXIT.environment,
    http: 409,
    fix: 'Run the same command again.',
  },
  QUEUE_OUTPUT_MISSING: {
    message: 'A worker says that it wrote the copy, and there is none here.',
    exit: EXIT.environment,
    http: 409,
    fix: 'Look whether --root is the same shared folder on this machine and on the workers.',
  },
});
