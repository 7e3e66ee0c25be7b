/** The table of what was used of budgets (docs/spec/api-keys.md section 7). */
import type { DatabaseArea, Migration } from '../../core/database.ts';

export interface BudgetTables {
  /** `day`: since 1970 (UTC), -1 for all time. `used`: items, leased ones included. */
  budget_used: { subject: string; day: number; used: number };
}

const first: Migration = async (db) => {
  await db.schema
    .createTable('budget_used')
    .addColumn('subject', 'text', (column) => column.notNull())
    .addColumn('day', 'bigint', (column) => column.notNull())
    .addColumn('used', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('budget_used_key', ['subject', 'day'])
    .execute();
};

/** For `openDatabase`. */
export const BUDGET_AREA: DatabaseArea = { name: 'budget', migrations: [first] };
