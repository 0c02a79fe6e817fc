/** netdev `tap`: an interface of the host (QEMU net/tap.c). */
import type { NetClient, NetdevContext } from '../../net/index.ts';
import { QapiError } from '../../qapi/index.ts';
import type { NetdevTapOptions } from '../../schema/net.ts';
import { adoptDevice, createDevice, limitSendBuffer, type TapDevice } from './device.ts';
import { planTap, sendBuffer } from './options.ts';
import { TapNetdev } from './tap-netdev.ts';

/** The driver. Rejects with QapiError with QEMU's text. */
export async function createTap(options: NetdevTapOptions, context: NetdevContext): Promise<NetClient> {
  const plan = planTap(options);
  const { kernel } = context.host;
  let device: TapDevice;
  let info: string;
  let onClose: (() => Promise<void>) | undefined;
  switch (plan.kind) {
    case 'descriptors': {
      const numbers = plan.texts.map((text) => context.takeDescriptor(text));
      device = adoptDevice(kernel, numbers, (fd) => `${context.id}: Can't use file descriptor ${fd}`);
      info = plan.info;
      break;
    }
    case 'helper':
      throw new QapiError('helper');
    case 'own': {
      device = createDevice(kernel, plan.name, plan.queues, plan.vnetHeader);
      info = `ifname=${device.interfaceName},script=${plan.script || 'no'},downscript=${plan.downScript || 'no'}`;
      break;
    }
    default:
      return plan satisfies never;
  }
  try {
    limitSendBuffer(device, sendBuffer(options), options.sndbuf !== undefined);
    return new TapNetdev(context, { device, info, onClose });
  } catch (error) {
    for (const descriptor of device.queues) descriptor.close();
    throw error;
  }
}
