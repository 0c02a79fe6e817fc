/** Which kind of tap the options ask for: QEMU's checks, in its order and words (QEMU net/tap.c, net_init_tap). */
import { QapiError } from '../../qapi/index.ts';
import type { NetdevTapOptions } from '../../schema/net.ts';
import { DEFAULT_BRIDGE } from './bridge-helper.ts';

export const DEFAULT_SCRIPT = '/etc/qemu-ifup';
export const DEFAULT_DOWN_SCRIPT = '/etc/qemu-ifdown';
/** As QEMU's MAX_TAP_QUEUES. */
const MAX_QUEUES = 1024;
const MAX_SNDBUF = 0x7fffffff;

export type TapPlan =
  | { readonly kind: 'descriptors'; readonly texts: readonly string[]; readonly info: string; readonly vhost: boolean }
  | { readonly kind: 'helper'; readonly helper: string; readonly bridge: string; readonly vhost: boolean }
  | {
      readonly kind: 'own';
      readonly name: string;
      readonly queues: number;
      /** undefined: on where the kernel can. */
      readonly vnetHeader: boolean | undefined;
      /** '' = none. */
      readonly script: string;
      readonly downScript: string;
      readonly vhost: boolean;
    };

/** @throws QapiError */
export function planTap(options: NetdevTapOptions): TapPlan {
  const { fd, fds, helper, ifname, script, downscript, vnet_hdr: vnet, queues, vhostfd, vhostfds } = options;
  const given = (...values: unknown[]): boolean => values.some((value) => value !== undefined);
  if (queues !== undefined && (queues < 1 || queues > MAX_QUEUES)) {
    throw new QapiError(`queues must be between 1 and ${MAX_QUEUES}`);
  }
  if (fd !== undefined) {
    if (given(ifname, script, downscript, vnet, helper, queues, fds, vhostfds)) {
      throw new QapiError(
        'ifname=, script=, downscript=, vnet_hdr=, helper=, queues=, fds=, and vhostfds= are invalid with fd=',
      );
    }
    return { kind: 'descriptors', texts: [fd], info: `fd=${fd}`, vhost: wantsVhost(options) };
  }
  if (fds !== undefined) {
    if (given(ifname, script, downscript, vnet, helper, queues, vhostfd)) {
      throw new QapiError(
        'ifname=, script=, downscript=, vnet_hdr=, helper=, queues=, and vhostfd= are invalid with fds=',
      );
    }
    const texts = fds.split(':');
    if (texts.length > MAX_QUEUES) throw new QapiError(`fds= names more than ${MAX_QUEUES} descriptors`);
    if (vhostfds !== undefined && vhostfds.split(':').length !== texts.length) {
      throw new QapiError('The number of fds passed does not match the number of vhostfds passed');
    }
    // As QEMU shows its first queue.
    return { kind: 'descriptors', texts, info: `fd=${texts[0]}`, vhost: wantsVhost(options) };
  }
  if (helper !== undefined) {
    if (given(ifname, script, downscript, vnet, queues, vhostfds)) {
      throw new QapiError('ifname=, script=, downscript=, vnet_hdr=, queues=, and vhostfds= are invalid with helper=');
    }
    return { kind: 'helper', helper, bridge: options.br ?? DEFAULT_BRIDGE, vhost: wantsVhost(options) };
  }
  if (vhostfds !== undefined) throw new QapiError("vhostfds= is invalid if fds= wasn't specified");
  return {
    kind: 'own',
    name: ifname ?? '',
    queues: Number(queues ?? 1),
    vnetHeader: vnet,
    script: program(script ?? DEFAULT_SCRIPT),
    downScript: program(downscript ?? DEFAULT_DOWN_SCRIPT),
    vhost: wantsVhost(options),
  };
}

/** Bytes for TUNSETSNDBUF; 0 and what is beyond int mean no limit. */
export function sendBuffer(options: NetdevTapOptions): number {
  const wanted = Number(options.sndbuf ?? 0);
  return wanted === 0 || wanted > MAX_SNDBUF ? MAX_SNDBUF : wanted;
}

const program = (path: string): string => (path === 'no' ? '' : path);

/** @throws QapiError for descriptors of vhost-net without vhost */
function wantsVhost({ vhost, vhostfd, vhostfds, vhostforce }: NetdevTapOptions): boolean {
  const hasDescriptors = vhostfd !== undefined || vhostfds !== undefined;
  const wanted = vhost ?? (hasDescriptors || vhostforce === true);
  if (!wanted && hasDescriptors) throw new QapiError('vhostfd(s)= is not valid without vhost');
  return wanted;
}
