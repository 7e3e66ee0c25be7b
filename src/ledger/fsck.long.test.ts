/** The same with more than 10,000 attacks. */
import './fsck.test.ts';
