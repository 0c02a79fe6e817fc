/** `-qmp`, `-qmp-pretty`, `-chardev` and `-mon` -> running monitors, in the order given. */
import {
  type Chardev,
  type MonitorOptions,
  type MonitorSpec,
  monitorOn,
  parseChardev,
  parseChardevReference,
  parseMon,
  parseQmpDevice,
  type QmpMonitor,
  startQmpMonitor,
} from '../monitor/index.ts';
import { QapiError } from '../qapi/index.ts';
import type { Yard } from '../yard/index.ts';
import { located } from './located.ts';
import { checkSocketPath } from './runtime-directory.ts';
import type { ScannedOption } from './scan-options.ts';

/**
 * Starts them one by one into `started`, so that what is up can be closed when a later one fails. With wait=on it
 * resolves when the first client is there.
 * @throws CommandLineError `-OPTION ARGUMENT: TEXT` as QEMU prints it.
 */
export async function startMonitors(
  options: readonly ScannedOption[],
  yard: Yard,
  started: QmpMonitor[],
  settings: MonitorOptions,
): Promise<void> {
  const chardevs = new Map<string, Chardev>();
  for (const option of options.filter(({ name }) => name === 'chardev')) {
    await located(option.name, option.argument ?? '', () => {
      const { id, device } = parseChardev(option.argument!);
      if (chardevs.has(id)) throw new QapiError(`Duplicate ID '${id}' for chardev`);
      chardevs.set(id, device);
    });
  }
  const taken = new Set<string>();
  for (const option of options) {
    const spec = await located(option.name, option.argument ?? '', () => monitorSpec(option, chardevs, taken));
    if (spec === undefined) continue;
    started.push(
      await located(option.name, option.argument ?? '', () =>
        startQmpMonitor(spec, yard, { sockets: yard.host.sockets, ...settings }),
      ),
    );
  }
}

function monitorSpec(
  option: ScannedOption,
  chardevs: ReadonlyMap<string, Chardev>,
  taken: Set<string>,
): MonitorSpec | undefined {
  const spec =
    option.name === 'qmp' || option.name === 'qmp-pretty'
      ? qmpSpec(option.argument!, option.name === 'qmp-pretty', chardevs, taken)
      : option.name === 'mon'
        ? monitorOn(parseMon(option.argument!), chardevs, taken)
        : undefined;
  if (spec?.device.kind === 'socket' && 'path' in spec.device.address) checkSocketPath(spec.device.address.path);
  return spec;
}

function qmpSpec(
  argument: string,
  pretty: boolean,
  chardevs: ReadonlyMap<string, Chardev>,
  taken: Set<string>,
): MonitorSpec {
  const id = parseChardevReference(argument);
  return id === undefined
    ? { device: parseQmpDevice(argument), pretty }
    : monitorOn({ chardev: id, pretty }, chardevs, taken);
}
