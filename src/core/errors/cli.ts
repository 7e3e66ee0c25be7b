/** Error codes of the command line: wrong usage, secrets that cannot be read safely, interruption. */
import { defineErrors, EXIT } from './table.ts';

export const cliErrors = defineErrors({
  CLI_USAGE: {
    message: 'The command was used wrongly.',
    exit: EXIT.usage,
    http: 400,
    fix: 'Add --help to the command to see its arguments, options and examples.',
  },
  CLI_UNKNOWN_COMMAND: {
    message: 'There is no such command.',
    exit: EXIT.usage,
    http: 400,
    fix: 'Put --help in its place for the list of commands.',
  },
  CLI_UNKNOWN_OPTION: {
    message: 'The command has no such option.',
    exit: EXIT.usage,
    http: 400,
    fix: 'Add --help to the command to see its options.',
  },
  CLI_NO_TERMINAL: {
    message: 'A passphrase is needed, and there is no terminal to ask for it.',
    exit: EXIT.usage,
    http: 400,
    fix: 'Pass --passphrase-file FILE or --passphrase-fd N; arguments and environment variables are not read.',
  },
  CLI_SECRET_FILE_EXPOSED: {
    message: 'The file with the secret can be read by other users.',
    exit: EXIT.usage,
    http: 400,
    fix: 'Run chmod 600 on the file, and change the secret if others could have read it.',
  },
  CLI_SECRET_EMPTY: {
    message: 'The secret is empty.',
    exit: EXIT.usage,
    http: 400,
    fix: 'Put it into the file; a passphrase can be typed, or come on standard input.',
  },
  CLI_SECRET_TOO_LONG: {
    message: 'The secret is longer than is taken.',
    exit: EXIT.usage,
    http: 400,
    fix: 'Choose a shorter one; a passphrase may have 1,024 bytes.',
  },
  CLI_SECRET_MISMATCH: {
    message: 'The two passphrases differ.',
    exit: EXIT.usage,
    http: 400,
    fix: 'Type it twice alike.',
  },
  CLI_SECRET_UNREADABLE: {
    message: 'The secret could not be read.',
    exit: EXIT.environment,
    http: 500,
    fix: 'Give a file that is there and that you may read; a passphrase can be typed, or come on standard input.',
  },
  CLI_INTERRUPTED: {
    message: 'Interrupted; files are as they were before, or complete.',
    exit: EXIT.interrupted,
    http: 499,
  },
  CLI_TOUR_FAILED: {
    message: 'A step of the tour did not give what it should. This is a defect of the program.',
    exit: EXIT.internal,
    http: 500,
    fix: 'Report it with what the tour printed.',
  },
});
