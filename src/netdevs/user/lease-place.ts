/** Where the leases of one user network are kept, if anywhere. */
import { formatIpv4 } from '../../wire/index.ts';

export interface LeasePlace {
  readonly path: string;
  /** As the file names it: the same netdev with another network has other leases. */
  readonly network: string;
  /** An option said so: what cannot be read is an error then. */
  readonly isAsked: boolean;
}

/**
 * @param file option `leases`.
 * @param stateDirectory of the yard; undefined = it keeps nothing.
 */
export function leasePlace(
  file: string | undefined,
  stateDirectory: string | undefined,
  id: string,
  { network, mask }: { readonly network: number; readonly mask: number },
): LeasePlace | undefined {
  const text = `${formatIpv4(network)}/${formatIpv4(mask)}`;
  if (file !== undefined) return { path: file, network: text, isAsked: true };
  if (stateDirectory === undefined) return undefined;
  return { path: `${stateDirectory}/${id}-${text.replace('/', '-')}.leases`, network: text, isAsked: false };
}
