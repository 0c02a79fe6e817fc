import type { StatusInfo } from '../../schema/net.ts';

/** A yard has no stopped state: frames flow as long as it lives. */
export function queryStatus(): StatusInfo {
  return { running: true, status: 'running' };
}
