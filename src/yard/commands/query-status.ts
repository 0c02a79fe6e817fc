/** A yard has no stopped state: frames flow as long as it lives (QAPI StatusInfo). */
export function queryStatus(): { status: string; running: boolean } {
  return { running: true, status: 'running' };
}
