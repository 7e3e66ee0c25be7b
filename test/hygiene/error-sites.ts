/** Every place of the product's source where a coded error is made, and what its message and evidence are made of. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import ts from 'typescript';

const root = resolve(import.meta.dirname, '../../src');

export interface ErrorSite {
  /** Path below src with the line, such as "seal/open.ts:12". */
  readonly at: string;
  /** Names of evidence fields that are spelled out. */
  readonly fields: readonly string[];
  /** Identifiers and conversions that message and fields are made of, such as "name" or "toHex(digest)". */
  readonly parts: readonly string[];
}

export interface SourceScan {
  readonly sites: readonly ErrorSite[];
  /** Texts of all string literals outside the tables of errors. */
  readonly literals: ReadonlySet<string>;
}

/** Reads all source but tests and the tables of errors. */
export function scanErrorSites(): SourceScan {
  const sites: ErrorSite[] = [];
  const literals = new Set<string>();
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.ts') && !name.endsWith('.test.ts') && !name.includes('core/errors'),
  );
  for (const name of names) {
    const path = join(root, name);
    const file = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true);
    const visit = (node: ts.Node): void => {
      if (ts.isStringLiteralLike(node)) literals.add(node.text);
      const site = findSite(node, file);
      if (site !== null) sites.push(site);
      ts.forEachChild(node, visit);
    };
    visit(file);
  }
  return { sites, literals };
}

/** `new SomeError(code, { message, fields })`, and `{ fields }` or `{ message }` that is handed to a maker of errors. */
function findSite(node: ts.Node, file: ts.SourceFile): ErrorSite | null {
  const options = findOptions(node, file);
  const fields: string[] = [];
  const parts: string[] = [];
  for (const property of options.flatMap((option) => [...option.properties])) {
    if (toName(property) === 'fields') collectFields(property, file, { fields, parts });
    else if (toName(property) === 'message') collectParts(property, file, parts);
  }
  if (fields.length + parts.length === 0) return null;
  const line = file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1;
  return { at: `${relative(root, file.fileName)}:${line}`, fields, parts };
}

function findOptions(node: ts.Node, file: ts.SourceFile): readonly ts.ObjectLiteralExpression[] {
  if (ts.isObjectLiteralExpression(node)) return node.properties.some((one) => toName(one) === 'fields') ? [node] : [];
  if (!ts.isNewExpression(node) || !node.expression.getText(file).endsWith('Error') || isInternal(node, file))
    return [];
  return (node.arguments ?? []).slice(1).filter((one) => ts.isObjectLiteralExpression(one));
}

function isInternal(node: ts.NewExpression, file: ts.SourceFile): boolean {
  return /^(TypeError|RangeError|SyntaxError|Error)$/.test(node.expression.getText(file));
}

function toName(property: ts.ObjectLiteralElementLike): string {
  return property.name !== undefined && ts.isIdentifier(property.name) ? property.name.text : '';
}

function collectFields(
  property: ts.ObjectLiteralElementLike,
  file: ts.SourceFile,
  into: { readonly fields: string[]; readonly parts: string[] },
): void {
  const visit = (node: ts.Node): void => {
    if (ts.isObjectLiteralExpression(node)) {
      for (const one of node.properties) {
        if (one.name !== undefined) into.fields.push(one.name.getText(file).replace(/^['"]|['"]$/g, ''));
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(property);
  collectParts(property, file, into.parts);
}

/** What a value is made of: the last name of each access, and calls that turn bytes into text with their argument. */
function collectParts(property: ts.Node, file: ts.SourceFile, parts: string[]): void {
  const visit = (node: ts.Node): void => {
    if (ts.isPropertyAssignment(node)) {
      visit(node.initializer);
      return;
    }
    if (ts.isCallExpression(node) && isConversion(node, file)) {
      parts.push(node.getText(file).replace(/\s+/g, ' '));
      return;
    }
    if (ts.isPropertyAccessExpression(node)) {
      // How long a secret is may be told.
      if (node.name.text !== 'length') parts.push(node.name.text);
      else if (!ts.isIdentifier(node.expression)) visit(node.expression);
      if (node.name.text !== 'length') visit(node.expression);
      return;
    }
    if (ts.isIdentifier(node) && !isCallee(node)) parts.push(node.text);
    ts.forEachChild(node, visit);
  };
  if (ts.isShorthandPropertyAssignment(property)) parts.push(property.name.text);
  else if (ts.isPropertyAssignment(property)) visit(property.initializer);
}

function isConversion(node: ts.CallExpression, file: ts.SourceFile): boolean {
  const callee = node.expression.getText(file);
  return /^(toHex|toBase64|toBase64Url|fromUtf8|String)$/.test(callee) || /\.(toString|decode|export)$/.test(callee);
}

function isCallee(node: ts.Identifier): boolean {
  return ts.isCallExpression(node.parent) && node.parent.expression === node;
}
