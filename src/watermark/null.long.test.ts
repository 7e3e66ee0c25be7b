import { describeNullKeys } from '../../test/fakes/null-suite.ts';

describeNullKeys(10_000);
