/** Draws SVG logos. */
export { openSvgRenderer } from './resvg.ts';
