/** The frame of every page: no script, no outside resource. */
import { escapeHtml, type Html } from './html.ts';
import { STYLESHEET } from './stylesheet.ts';

/** Blocks every load and every script, should an escape ever fail. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/**
 * @param options whether the page shows pictures, which it then holds itself as data URLs
 * @returns a complete UTF-8 HTML document that ends in a line end
 */
export function toDocument(title: string, body: Html, options: { readonly hasImages?: boolean } = {}): string {
  const policy = options.hasImages === true ? `${POLICY}; img-src data:` : POLICY;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${escapeHtml(title)}</title>
<style>${STYLESHEET}</style>
</head>
<body>
${body.markup}
</body>
</html>
`;
}
