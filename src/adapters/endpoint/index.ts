/** End points behind HTTP that are asked questions. */
export { openEndpoint } from './endpoint.ts';
