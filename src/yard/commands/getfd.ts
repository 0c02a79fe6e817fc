import { QapiError } from '../../qapi/index.ts';
import type { QmpContext } from '../../qmp/index.ts';
import type { Yard } from '../yard.ts';

/** QEMU monitor/fds.c qmp_getfd: the descriptor that came with the command, under a name. */
export function getfd(yard: Yard, args: { fdname: string }, context?: QmpContext): void {
  const { fdname } = args;
  const descriptor = context?.takeDescriptor?.();
  if (descriptor === undefined) {
    const missing = yard.host.sockets.can.descriptors
      ? ''
      : ": this needs netyard's native layer, see `netyard doctor`";
    throw new QapiError(`No file descriptor supplied via SCM_RIGHTS${missing}`);
  }
  yard.descriptors.put(fdname, descriptor);
}
