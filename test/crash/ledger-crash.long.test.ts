/** The same experiments with every model, every cut and longer workloads. */
import './ledger-crash.test.ts';
