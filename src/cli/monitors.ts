/** Monitors that were asked for -> running ones. */
import { type MonitorOptions, type QmpMonitor, startQmpMonitor } from '../monitor/index.ts';
import type { Yard } from '../yard/index.ts';
import { located } from './located.ts';
import type { MonitorRequest } from './monitor-requests.ts';

/**
 * Starts them one by one into `started`, so that what is up can be closed when a later one fails. With wait=on it
 * resolves when the first client is there.
 * @throws CommandLineError `-OPTION ARGUMENT: TEXT` as QEMU prints it.
 */
export async function startMonitors(
  requests: readonly MonitorRequest[],
  yard: Yard,
  started: QmpMonitor[],
  settings: MonitorOptions,
): Promise<void> {
  for (const { option, spec } of requests) {
    started.push(
      await located(option.name, option.argument ?? '', () =>
        startQmpMonitor(spec, yard, {
          sockets: yard.host.sockets,
          protectedAddresses: yard.protectedAddresses,
          ...settings,
        }),
      ),
    );
  }
}
