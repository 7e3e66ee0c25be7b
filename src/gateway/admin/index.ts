/** The admin API: the control plane of a gateway, on a listener of its own. */
export { type AdminParts, createAdminHandler } from './handler.ts';
export { toOpenApi, toOpenApiText } from './openapi.ts';
export type { Actor, AdminDesk, IssuedKeyView, KeyOffice, ReloadTerms } from './ports.ts';
export { listRoutes, type Route } from './routes.ts';
export type { KeyTerms, KeyView, LogPageView, LogQueryView, ModelView, UseView } from './schemas.ts';
export { toShownConfig } from './shown-config.ts';
