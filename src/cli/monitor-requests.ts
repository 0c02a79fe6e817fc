/** `-qmp`, `-qmp-pretty`, `-chardev` and `-mon` -> monitors as they are asked for. */
import {
  type Chardev,
  type MonitorSpec,
  monitorOn,
  parseChardev,
  parseChardevReference,
  parseMon,
  parseQmpDevice,
} from '../monitor/index.ts';
import { QapiError } from '../qapi/index.ts';
import { located } from './located.ts';
import { checkSocketPath } from './runtime-directory.ts';
import type { ScannedOption } from './scan-options.ts';

/** A monitor as it was asked for. */
export interface MonitorRequest {
  readonly option: ScannedOption;
  readonly spec: MonitorSpec;
}

/**
 * Reads the options; nothing is opened.
 * @throws CommandLineError `-OPTION ARGUMENT: TEXT` as QEMU prints it.
 */
export async function readMonitors(options: readonly ScannedOption[]): Promise<MonitorRequest[]> {
  const chardevs = new Map<string, Chardev>();
  for (const option of options.filter(({ name }) => name === 'chardev')) {
    await located(option.name, option.argument ?? '', () => {
      const { id, device } = parseChardev(option.argument!);
      if (chardevs.has(id)) throw new QapiError(`Duplicate ID '${id}' for chardev`);
      chardevs.set(id, device);
    });
  }
  const taken = new Set<string>();
  const requests: MonitorRequest[] = [];
  for (const option of options) {
    const spec = await located(option.name, option.argument ?? '', () => monitorSpec(option, chardevs, taken));
    if (spec !== undefined) requests.push({ option, spec });
  }
  return requests;
}

/** With wait=on a start waits for the first client of this one, before there is anything else. */
export function isWaitedFor({ spec }: MonitorRequest): boolean {
  return spec.device.kind === 'socket' && spec.device.wait;
}

/** The descriptors that monitors sit on. */
export function monitorDescriptors(requests: readonly MonitorRequest[]): number[] {
  return requests.flatMap(({ spec: { device } }) =>
    device.kind === 'socket' && 'fd' in device.address ? [device.address.fd] : [],
  );
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
