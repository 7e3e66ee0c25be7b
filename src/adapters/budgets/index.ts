/** What was used of budgets, in SQL databases. */
export { openBudgetStore } from './store.ts';
export { BUDGET_AREA, type BudgetTables } from './tables.ts';
