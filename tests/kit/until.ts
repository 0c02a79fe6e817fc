const LIMIT_MS = 15_000;

/** Looks again every millisecond. @throws RangeError with the condition's text when it does not come true. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const limit = performance.now() + LIMIT_MS; !(await condition()); ) {
    if (performance.now() > limit) throw new RangeError(`never: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
