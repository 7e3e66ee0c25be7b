/** Links of the documents: every relative target exists, anchors included. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { toAnchor } from './cli-doc.ts';
import type { Problem } from './problem.ts';

const LINK = /\[[^\]]*\]\(([^)\s]+)(?:\s+"[^"]*")?\)/g;

/** Problems of the links of one Markdown file. */
export function checkLinks(root: string, file: string): Problem[] {
  const text = withoutCode(readFileSync(join(root, file), 'utf8'));
  return [...text.matchAll(LINK)].flatMap(([, target = '']) => {
    if (/^[a-z][a-z0-9+.-]*:/i.test(target)) return [];
    const [path, anchor = ''] = target.split('#') as [string, string?];
    const goal = path === '' ? join(root, file) : join(root, dirname(file), decodeURIComponent(path));
    if (relative(root, goal).startsWith('..')) return [{ file, text: `link ${target} leaves the repository` }];
    if (!existsSync(goal)) return [{ file, text: `link ${target} leads nowhere` }];
    if (anchor === '' || !goal.endsWith('.md') || statSync(goal).isDirectory()) return [];
    return toAnchors(goal).has(anchor) ? [] : [{ file, text: `link ${target}: there is no such heading` }];
  });
}

function toAnchors(path: string): Set<string> {
  const headings = withoutCode(readFileSync(path, 'utf8')).matchAll(/^#{1,6}\s+(.+)$/gm);
  return new Set([...headings].map((match) => toAnchor(match[1].trim())));
}

/** Code spans may hold brackets that are no links. Their contents stay in headings, so only fences and links go. */
function withoutCode(text: string): string {
  return text.replaceAll(/^```[\s\S]*?^```/gm, '').replaceAll(/`[^`\n]*\]\([^`\n]*`/g, '');
}
