/** The same with 60 kills. */
import './ledger-kill.test.ts';
