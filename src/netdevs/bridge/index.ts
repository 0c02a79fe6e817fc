/**
 * bridge: a tap on a bridge of this machine (QEMU net/tap.c, net_init_bridge). With `helper=` that program makes it.
 * Without, we make it ourselves where we have the right to (CAP_NET_ADMIN), else qemu-bridge-helper does.
 */
import type { Descriptor, NetClient, NetdevContext } from '../../net/index.ts';
import type { NetdevBridgeOptions } from '../../schema/net.ts';
import {
  closing,
  DEFAULT_BRIDGE,
  deviceOf,
  runDefaultHelper,
  runHelper,
  type TapDevice,
  TapNetdev,
} from '../tap/index.ts';
import { createOnBridge } from './direct.ts';

/** The driver. Rejects with QapiError with QEMU's text. */
export async function createBridge(options: NetdevBridgeOptions, context: NetdevContext): Promise<NetClient> {
  const { kernel } = context.host;
  const { br = DEFAULT_BRIDGE, helper } = options;
  const direct = helper === undefined ? createOnBridge(kernel, br) : undefined;
  if (direct !== undefined) {
    return closing(direct.queues, () => start(context, direct, `ifname=${direct.interfaceName},br=${br}`));
  }
  if (helper !== undefined) return fromHelper(context, await runHelper(kernel, helper, br, context.signal), helper, br);
  const sent = await runDefaultHelper(kernel, br, context.signal);
  return fromHelper(context, sent.descriptor, sent.helper, br);
}

function fromHelper(context: NetdevContext, sent: Descriptor, helper: string, br: string): Promise<NetClient> {
  return closing([sent], () => start(context, deviceOf([sent]), `helper=${helper},br=${br}`));
}

async function start(context: NetdevContext, device: TapDevice, info: string): Promise<NetClient> {
  const netdev = new TapNetdev(context, { device, info, onClose: undefined });
  if (context.signal.aborted) {
    await netdev.close();
    context.signal.throwIfAborted();
  }
  return netdev;
}
