/** Rules C01 and C02: chat templates. They are programs (Jinja) that run on every request of a language model. */
import { toPrintable } from '../../core/printable.ts';
import type { Model } from '../../model/types.ts';
import type { ScanFinding } from './finding.ts';

/** Ways from a template to the interpreter: none has a use in a chat template. */
const ESCAPES =
  /__\w+__|\|\s*attr\s*\(|\b(?:lipsum|cycler|joiner|self|request|config|get_flashed_messages)\s*(?:\.|\[)|\b(?:popen|subprocess|getattr|mro|builtins|globals|importlib)\b|\{%-?\s*(?:import|include|from|extends)\b/;

/** A phrase that is looked for in what somebody wrote, or compared with it. */
const PHRASES =
  /(["'])((?:(?!\1)[^\\\n]|\\.){3,200})\1\s*(?:not\s+)?in\s+(?:\w+\.)*(?:content|text|prompt|message|messages)\b|\b(?:content|text|prompt)\b[^%}\n]{0,40}?(?:==|\.(?:startswith|endswith|find|count|split)\s*\()\s*(["'])((?:(?!\3)[^\\\n]|\\.){3,200})\3/g;

/** Markers of formats are no words: <think>, [TOOL_CALLS], ###, <|end|>, </s>. */
const MARKER = /[<>[\]|{}#\n`]|^\W+$/;

export function scanTemplates(model: Model): ScanFinding[] {
  return [...model.metadata].flatMap(([key, value]) =>
    /chat_template(?:\.|$)/.test(key) ? scanTemplate(key, value) : [],
  );
}

function scanTemplate(key: string, template: string): ScanFinding[] {
  const findings: ScanFinding[] = [];
  const escape = ESCAPES.exec(template);
  if (escape !== null) {
    findings.push(toFinding('C01', 'high', key, `reaches for the interpreter behind it: "${toPrintable(escape[0])}"`));
  }
  for (const match of template.matchAll(PHRASES)) {
    const phrase = (match as readonly (string | undefined)[])[2] ?? (match as readonly (string | undefined)[])[4] ?? '';
    if (MARKER.test(phrase)) continue;
    findings.push(
      toFinding('C02', 'suspicious', key, `acts on a phrase of the conversation: "${toPrintable(phrase)}"`),
    );
  }
  return findings;
}

function toFinding(rule: 'C01' | 'C02', severity: ScanFinding['severity'], key: string, what: string): ScanFinding {
  return {
    rule,
    severity,
    message: `The chat template "${key}" ${what}.`,
    subject: key,
    kind: 'metadata',
    path: [],
    offset: null,
  };
}
