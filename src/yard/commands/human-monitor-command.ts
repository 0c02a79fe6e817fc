import { QapiError } from '../../qapi/index.ts';
import type { QmpContext } from '../../qmp/index.ts';
import { runMonitorLine } from '../hmp/index.ts';
import type { Yard } from '../yard.ts';

/** QEMU monitor/misc.c qmp_human_monitor_command: succeeds even when the line failed; its output says so. */
export async function humanMonitorCommand(
  yard: Yard,
  args: { 'command-line': string; 'cpu-index'?: number | bigint | undefined },
  context?: QmpContext,
): Promise<string> {
  if (args['cpu-index'] !== undefined) throw new QapiError("Parameter 'cpu-index' expects a CPU number");
  return await runMonitorLine(yard, args['command-line'], context);
}
