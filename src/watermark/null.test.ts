import { describeNullKeys } from '../../test/fakes/null-suite.ts';

describeNullKeys(1_000);
