/** Whether an optional package can be loaded here; suites that need it are skipped by name without it. */
export async function importable(name: string): Promise<boolean> {
  process.env.ORT_DISABLE_TELEMETRY ??= '1';
  try {
    await import(name);
    return true;
  } catch {
    return false;
  }
}
